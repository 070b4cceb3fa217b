"""Clusters of small pairs that are refreshed in batches: the same rows as one by one; failures stay alone."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from shifts_core.clustering.estimator import TripClusterer
from shifts_core.ids import first_id
from shifts_pipeline.storage import cluster_tables, refresh_batch, refresh_pair, stale_pairs
from shifts_pipeline.storage.cluster_tables import PairClusters, cluster_pair
from shifts_pipeline.storage.cluster_violations import MEMBERS_BELONG, WITHIN_RADIUS
from shifts_pipeline.storage.refresh_week import RefreshedWeek, RefreshRequest, refresh_week
from shifts_pipeline.storage.region_week import PairTrips
from shifts_pipeline.storage.stale_pairs import Pair
from tests.citus import not_on_citus
from tests.integration.loading.loading import Loader
from tests.unit.core.trips.reading import HEADER

MONDAY = date(2018, 5, 28)
REGIONS = ("Hamburg", "Lyon", "Prague", "Turin")
_EMPTIED = "trip_clusters, refresh_attempts, failed_pair_checks, regions"

Rows = list[tuple[Any, ...]]


@pytest.fixture
def loader(loader: Loader) -> Loader:
    loader.execute("SET search_path = shifts_store, public; TRUNCATE " + _EMPTIED + " CASCADE")
    return loader


@pytest.fixture
def connection(loader: Loader) -> Iterator[psycopg.Connection]:
    with psycopg.connect(loader.url, autocommit=True) as found:
        yield found


@pytest.fixture
def other(loader: Loader) -> Iterator[psycopg.Connection]:
    """The connection of another worker."""
    with psycopg.connect(loader.url, autocommit=True) as found:
        found.execute("SET lock_timeout = '10s'")
        yield found


@pytest.fixture
def batched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The regions of each batch that was refreshed."""
    found: list[list[str]] = []

    def refresh(
        connection: psycopg.Connection, pairs: list[Pair], clusterer: TripClusterer
    ) -> dict[str, int]:
        found.append([pair.region for pair in pairs])
        return refresh_batch.refresh_batch(connection, pairs, clusterer)

    monkeypatch.setattr("shifts_pipeline.storage.refresh_week.refresh_batch", refresh)
    return found


def line(region: str, point: tuple[float, ...], moment: str) -> bytes:
    x0, y0, x1, y1 = point
    return f"{region},POINT ({x0:.6f} {y0:.6f}),POINT ({x1:.6f} {y1:.6f}),{moment},test\n".encode()


def commuters(region: str, count: int = 6, hour: int = 8) -> bytes:
    """Trips of one cluster."""
    return b"".join(
        line(region, (7.67, 45.01, 7.72, 45.06), f"2018-05-{28 + n % 4} {hour:02}:{n:02}:00")
        for n in range(count)
    )


def random_lines(region: str, trips: int, rng: np.random.Generator) -> bytes:
    """Trips on a few routes around midnight and the antimeridian, some of them equal in everything."""
    homes = np.array([[179.99, -17.0], [-179.99, -17.02], [179.95, -17.01]])
    lines = []
    for _ in range(trips):
        origin, destination = homes[rng.integers(0, 3, 2)] + rng.normal(0, 0.002, (2, 2))
        origin[0], destination[0] = ((x + 180) % 360 - 180 for x in (origin[0], destination[0]))
        second = int(rng.integers(-3_600, 3_600)) % 86_400
        moment = np.datetime64("2018-05-28T00:00:00") + 86_400 * int(rng.integers(0, 7)) + second
        lines += [line(region, (*origin, *destination), str(moment))] * int(rng.integers(1, 3))
    return b"".join(lines)


def load(loader: Loader, name: str, lines: bytes) -> None:
    """Loads a file. Aggregates are not what is tested: they are up to date."""
    loader.put(name, HEADER + lines)
    loader.load(name)
    loader.execute("UPDATE shifts_store.region_weeks SET aggregates_revision = revision")


def refresh(connection: psycopg.Connection, *, only_due: bool = True) -> RefreshedWeek:
    request = RefreshRequest(
        tables=["clusters"],
        regions=[],
        only_due=only_due,
        run_id="run",
        new_clusterer=TripClusterer,
        log=logging.getLogger("test"),
    )
    return refresh_week(connection, MONDAY, request)


def refresh_one_by_one(connection: psycopg.Connection) -> None:
    for pair in stale_pairs.all_pairs(connection, MONDAY):
        refresh_pair.refresh_pair(connection, pair, ["clusters"], TripClusterer, lambda _: None)


def derived(loader: Loader) -> tuple[Rows, Rows]:
    """Clusters and failed checks."""
    return (
        loader.query(
            "SELECT c.*, c.origin::text FROM shifts_store.trip_clusters c ORDER BY region_id, cluster_id"
        ),
        loader.query("SELECT * FROM shifts_store.failed_pair_checks ORDER BY 1, 2, 4"),
    )


def stale(loader: Loader) -> list[str]:
    return [
        region
        for (region,) in loader.query(
            "SELECT region FROM shifts_store.stale_weeks WHERE clusters_stale ORDER BY 1"
        )
    ]


def attempts(loader: Loader) -> dict[str, int]:
    return dict(
        loader.query(
            "SELECT r.name, a.attempts FROM shifts_store.refresh_attempts a"
            " JOIN shifts_store.regions r USING (region_id) ORDER BY 1"
        )
    )


def locks(loader: Loader) -> int:
    """Advisory locks in this database."""
    ((found,),) = loader.query(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return int(found)


def end_pauses(loader: Loader) -> None:
    loader.execute("UPDATE shifts_store.refresh_attempts SET retry_at = now()")


def before_clustering(
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[PairTrips], None],
    modules: tuple[Any, ...] = (refresh_batch,),
) -> None:
    """Does something before a pair is clustered, after its trips were read."""

    def cluster(trips: PairTrips, clusterer: TripClusterer) -> PairClusters:
        act(trips)
        return cluster_pair(trips, clusterer)

    for module in modules:
        monkeypatch.setattr(module, "cluster_pair", cluster)


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_writes_the_same_rows_as_pairs_refreshed_one_by_one(
    loader: Loader,
    connection: psycopg.Connection,
    batched: list[list[str]],
    caplog: pytest.LogCaptureFixture,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    sizes = {
        f"R{number:02}": size for number, size in enumerate(rng.permutation([1, 4, 5, 20, 60, 150, 150]))
    }
    files = [b"".join(random_lines(region, size, rng) for region, size in sizes.items()) for _ in range(2)]
    load(loader, "a.csv", files[0])
    load(loader, "b.csv", random_lines("R01", 30, rng) + random_lines("Gone", 30, rng))
    assert refresh(connection).pairs == len(sizes) + 1
    # A pair loses all its trips, and all others change.
    load(loader, "a.csv", files[1])
    load(loader, "b.csv", random_lines("R01", 30, rng))
    region_ids = [
        region_id for (region_id,) in loader.query("SELECT region_id FROM shifts_store.region_weeks")
    ]
    for check_name in (WITHIN_RADIUS, MEMBERS_BELONG):
        loader.execute(
            "INSERT INTO shifts_store.failed_pair_checks SELECT r, %s, 'clusters', %s, '{}' FROM unnest(%s) r",
            MONDAY,
            check_name,
            region_ids,
        )
    refreshed = refresh(connection)
    assert (refreshed.pairs, refreshed.failures) == (len(sizes) + 1, [])
    assert refreshed.trips == loader.query("SELECT count(*) FROM shifts.trips")[0][0]
    assert [sorted(batch) for batch in batched] == [sorted([*sizes, "Gone"])] * 2
    assert (stale(loader), attempts(loader), locks(loader)) == ([], {}, 0)
    # No batch failed and was repeated.
    assert caplog.records == []
    found = derived(loader)
    assert len(found[0]) > 10
    assert found[1] == []
    refresh_one_by_one(connection)
    assert derived(loader) == found


def test_a_pair_that_fails_in_a_batch_fails_alone(
    loader: Loader,
    connection: psycopg.Connection,
    batched: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(trips: PairTrips) -> None:
        if trips.region == "Prague":
            raise ValueError("no room")

    before_clustering(monkeypatch, fail, (refresh_batch, refresh_pair))
    load(loader, "a.csv", b"".join(map(commuters, REGIONS)))
    refreshed = refresh(connection)
    assert refreshed.failures == ["Prague 2018-05-28: ValueError: no room"]
    assert refreshed.pairs == 3
    assert stale(loader) == ["Prague"]
    assert attempts(loader) == {"Prague": 1}
    assert locks(loader) == 0
    load(loader, "b.csv", b"".join(commuters(region, hour=9) for region in REGIONS))
    # It pauses, and its neighbours share a batch again.
    assert refresh(connection).failures == []
    assert stale(loader) == ["Prague"]
    end_pauses(loader)
    load(loader, "c.csv", b"".join(commuters(region, hour=10) for region in REGIONS))
    assert len(refresh(connection).failures) == 1
    assert attempts(loader) == {"Prague": 2}
    assert [sorted(batch) for batch in batched] == [list(REGIONS), *[["Hamburg", "Lyon", "Turin"]] * 2]


def test_checks_that_fail_to_run_for_a_batch_run_for_each_pair(
    loader: Loader, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no room")

    checked: list[int] = []
    monkeypatch.setattr(refresh_batch, "check_clusters", fail)
    monkeypatch.setattr(
        refresh_pair, "check_clusters", lambda _, pairs, *__: checked.extend(pair.region_id for pair in pairs)
    )
    load(loader, "a.csv", b"".join(map(commuters, REGIONS)))
    assert refresh(connection).pairs == 4
    assert [(region_id,) for region_id in sorted(checked)] == loader.query(
        "SELECT region_id FROM shifts_store.regions ORDER BY 1"
    )
    assert (attempts(loader), locks(loader)) == ({}, 0)


def test_a_pair_that_lost_trips_meanwhile_is_left_out_of_its_batch(
    loader: Loader, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(loader, "a.csv", b"".join(map(commuters, REGIONS)))
    load(loader, "b.csv", commuters("Prague", hour=9))
    refresh(connection)
    before = derived(loader)
    load(loader, "c.csv", b"".join(commuters(region, hour=10) for region in REGIONS))
    changed: list[str] = []

    def change(trips: PairTrips) -> None:
        if not changed:
            changed.append(trips.region)
            # Prague loses trips, and Turin gets some.
            load(loader, "b.csv", commuters("Turin", hour=9))

    before_clustering(monkeypatch, change)
    assert refresh(connection).failures == []
    assert stale(loader) == ["Prague", "Turin"]
    assert (attempts(loader), locks(loader)) == ({}, 0)
    by_region = "SELECT region, count(*) FROM shifts.clusters"
    assert loader.query(f"{by_region} GROUP BY 1 ORDER BY 1") == [(region, 2) for region in REGIONS]
    kept = loader.query("SELECT cluster_id FROM shifts.clusters WHERE region = 'Prague'")
    assert {id_ for (id_,) in kept} < {row[0] for row in before[0]}
    refresh(connection)
    assert stale(loader) == []
    assert loader.query(f"{by_region} GROUP BY 1 ORDER BY 1") == [
        *((region, 2) for region in REGIONS[:3]),
        ("Turin", 3),
    ]


def test_two_workers_share_a_week_without_waiting(
    loader: Loader, connection: psycopg.Connection, other: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(loader, "a.csv", b"".join(map(commuters, REGIONS)))
    (held,) = [pair for pair in stale_pairs.due_pairs(connection, MONDAY) if pair.region == "Lyon"]
    assert stale_pairs.begin(other, held, ["clusters"], "other", only_due=True) == ("clusters",)
    refreshed: list[RefreshedWeek] = []

    def refresh_too(trips: PairTrips) -> None:
        del trips
        if not refreshed:
            refreshed.append(refresh(other))

    before_clustering(monkeypatch, refresh_too)
    # The other worker may lock its own pair once more, and gets none of the batch.
    end_pauses(loader)
    assert refresh(connection).pairs == 3
    assert [worker.pairs for worker in refreshed] == [1]
    assert stale(loader) == []
    stale_pairs.end(other, held, succeeded=["clusters"])
    assert (attempts(loader), locks(loader)) == ({}, 0)


def test_a_run_by_hand_waits_for_the_pair_that_another_worker_holds(
    loader: Loader, connection: psycopg.Connection, other: psycopg.Connection
) -> None:
    load(loader, "a.csv", b"".join(map(commuters, REGIONS)))
    refresh(connection)
    (held,) = [pair for pair in stale_pairs.all_pairs(connection, MONDAY) if pair.region == "Lyon"]
    assert stale_pairs.begin(other, held, ["clusters"], "other", only_due=False) == ("clusters",)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(refresh, connection, only_due=False)
        while other.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is None:
            assert not waiting.done()
        assert attempts(loader) == {"Lyon": 1}
        stale_pairs.end(other, held, succeeded=["clusters"])
        assert waiting.result(timeout=10).pairs == 4
    assert (attempts(loader), locks(loader)) == ({}, 0)


def test_pairs_whose_worker_died_in_a_batch_are_refreshed_alone(
    loader: Loader, batched: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(trips: PairTrips) -> None:
        if trips.region == "Prague":
            loader.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'worker'"
            )

    before_clustering(monkeypatch, die, (refresh_batch, refresh_pair))
    load(loader, "a.csv", b"".join(map(commuters, REGIONS)))

    def run() -> None:
        with psycopg.connect(loader.url, autocommit=True, application_name="worker") as worker:
            refresh(worker)

    with pytest.raises(psycopg.OperationalError):
        run()
    assert derived(loader) == ([], [])
    assert attempts(loader) == dict.fromkeys(REGIONS, 1)
    assert locks(loader) == 0
    end_pauses(loader)
    # Pairs go by their size, which is the same, and then by their number.
    with pytest.raises(psycopg.OperationalError):
        run()
    assert stale(loader) == ["Prague", "Turin"]
    assert attempts(loader) == {"Prague": 2, "Turin": 1}
    loader.execute("UPDATE shifts_store.refresh_attempts SET retry_at = now() WHERE attempts = 1")
    run()
    assert stale(loader) == ["Prague"]
    assert [sorted(batch) for batch in batched] == [list(REGIONS)]


def test_a_run_that_is_stopped_in_a_batch_leaves_its_pairs_without_a_pause(
    loader: Loader, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(trips: PairTrips) -> None:
        if trips.region == "Prague":
            raise KeyboardInterrupt

    before_clustering(monkeypatch, stop)
    load(loader, "a.csv", b"".join(map(commuters, REGIONS)))
    with pytest.raises(KeyboardInterrupt):
        refresh(connection)
    assert stale(loader) == list(REGIONS)
    assert (attempts(loader), locks(loader)) == ({}, 0)


def test_clusters_of_a_batch_with_equal_ids_get_others(
    loader: Loader,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def same_ids(region: str, week: date, labels: NDArray[np.int64], *_: object) -> NDArray[np.int64]:
        del region
        return first_id(week) + 7 + np.arange(labels.max() + 1)

    monkeypatch.setattr(cluster_tables, "cluster_ids", same_ids)
    load(
        loader, "a.csv", b"".join(commuters(region, hour=hour) for region in REGIONS[:2] for hour in (8, 12))
    )
    refresh(connection)
    load(
        loader, "b.csv", b"".join(commuters(region, hour=hour) for region in REGIONS[2:] for hour in (8, 12))
    )
    refresh(connection)
    numbers = {row[0] - first_id(MONDAY) for row in derived(loader)[0]}
    assert numbers == set(range(7, 15))
    # No batch failed and was repeated.
    assert caplog.records == []
    members = "SELECT count(*) FROM shifts.cluster_members m JOIN shifts.trips t USING (trip_id)"
    same_region = f"{members} JOIN shifts.clusters c USING (cluster_id) WHERE c.region = t.region"
    assert loader.query(members) == loader.query(same_region) == [(48,)]


@not_on_citus  # Distributed tables have no triggers.
def test_failed_checks_of_a_batch_are_recorded_for_their_pairs(
    loader: Loader, connection: psycopg.Connection
) -> None:
    load(loader, "a.csv", b"".join(map(commuters, REGIONS)))
    for region, change in (("Lyon", "radius_m := 501"), ("Turin", "trip_ids[1] := NEW.trip_ids[1] - 1000")):
        loader.execute(
            f"CREATE FUNCTION shifts_store.tamper_{region}() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF NEW.region_id = (SELECT region_id FROM shifts_store.regions"
            f" WHERE name = '{region}') THEN NEW.{change}; END IF; RETURN NEW; END $$"
        )
        loader.execute(
            f"CREATE TRIGGER tamper_{region} BEFORE INSERT ON shifts_store.trip_clusters"
            f" FOR EACH ROW EXECUTE FUNCTION shifts_store.tamper_{region}()"
        )
    try:
        refresh(connection)
    finally:
        for region in ("Lyon", "Turin"):
            loader.execute(f"DROP FUNCTION shifts_store.tamper_{region}() CASCADE")
    failed = (
        "SELECT r.name, f.check_name, f.details->'violations' FROM shifts_store.failed_pair_checks f"
        " JOIN shifts_store.regions r USING (region_id) ORDER BY 1, 2"
    )
    assert loader.query(failed) == [("Lyon", WITHIN_RADIUS, 1), ("Turin", MEMBERS_BELONG, 1)]
    refresh(connection, only_due=False)
    assert loader.query(failed) == []


def test_batches_hold_neighbouring_regions_up_to_a_limit_of_pairs_and_trips() -> None:
    pairs = [Pair(number, f"R{number}", MONDAY, 100, ("clusters",)) for number in range(450, 0, -1)]
    found = list(refresh_batch.batches(pairs))
    assert [len(batch) for batch in found] == [200, 200, 50]
    assert [pair.region_id for batch in found for pair in batch] == list(range(1, 451))
    large = [Pair(number, f"R{number}", MONDAY, 1_500, ("clusters",)) for number in range(14)]
    assert [len(batch) for batch in refresh_batch.batches(large)] == [13, 1]
    assert list(refresh_batch.batches([])) == []


def test_large_pairs_are_in_no_batch(
    loader: Loader, connection: psycopg.Connection, batched: list[list[str]]
) -> None:
    large = commuters("Prague", refresh_batch.MAX_PAIR_TRIPS // 50 + 1, hour=8)
    load(loader, "a.csv", b"".join(map(commuters, ("Lyon", "Turin"))) + large * 50)
    assert refresh(connection).pairs == 3
    assert batched == [["Lyon", "Turin"]]
    assert stale(loader) == []
