"""Makings of shifts: the same whatever the order of weeks, complete after interruptions, and checked in SQL."""

import random
from collections.abc import Iterator, Sequence

import psycopg
import pytest

from shifts_core.shifts.parameters import ShiftParameters
from shifts_pipeline.storage.shifts import refresh as refresh_module
from shifts_pipeline.storage.shifts import regions
from shifts_pipeline.storage.shifts.making import Making, make
from shifts_pipeline.storage.shifts.rows import copy_stream
from shifts_pipeline.storage.shifts.run import refresh_shifts
from shifts_pipeline.storage.shifts.state import MakingOptions
from shifts_pipeline.storage.shifts.violations import COUNTED_ONCE, TRIPS_FIT
from shifts_pipeline.storage.shifts.write import replace_makings
from tests.citus import not_on_citus
from tests.integration.loading.loading import Loader
from tests.integration.loading.shift_weeks import (
    OPTIONS,
    WEEKS,
    empty,
    is_stale,
    load,
    refresh,
    region_weeks,
    request,
    settle,
    shifts,
    week,
)
from tests.unit.core.trips.reading import HEADER

REGIONS = {"Lyon": region_weeks("Lyon", 3), "Turin": region_weeks("Turin", 4)}


@pytest.fixture
def loader(loader: Loader) -> Loader:
    empty(loader)
    return loader


@pytest.fixture
def connection(loader: Loader) -> Iterator[psycopg.Connection]:
    with psycopg.connect(loader.url, autocommit=True) as found:
        yield found


def load_week(loader: Loader, number: int) -> None:
    load(loader, f"{number}.csv", b"".join(lines[number] for lines in REGIONS.values()))


def load_all(loader: Loader) -> None:
    for number in range(WEEKS):
        load_week(loader, number)


def test_shifts_keep_their_ids_from_week_to_week(loader: Loader, connection: psycopg.Connection) -> None:
    load_all(loader)
    assert refresh(connection).regions == 2
    rows = loader.query("SELECT shift_id, array_agg(week ORDER BY week) FROM shifts.shifts GROUP BY 1")
    weeks = [found for _, found in rows]
    assert [week(number) for number in range(WEEKS)] in weeks
    assert {status for (status,) in loader.query("SELECT DISTINCT status FROM shifts.shifts")} == {
        "new",
        "continuing",
        "ending",
    }
    assert not is_stale(loader)
    assert loader.query("SELECT * FROM shifts_store.failed_pair_checks") == []


@pytest.mark.parametrize("seed", [1, 2])
def test_weeks_in_another_order_give_the_same_shifts_ids_and_ranks(
    loader: Loader, connection: psycopg.Connection, seed: int
) -> None:
    load_all(loader)
    refresh(connection)
    expected = shifts(loader)
    assert len({row[0] for row in expected}) > 5
    empty(loader)
    order = list(range(WEEKS))
    random.Random(seed).shuffle(order)
    for number in order:
        load_week(loader, number)
        refresh(connection)
    assert shifts(loader) == expected


def test_a_week_that_comes_late_changes_what_depends_on_it_only(
    loader: Loader, connection: psycopg.Connection
) -> None:
    load_all(loader)
    refresh(connection)
    expected = shifts(loader)
    empty(loader)
    for number in range(1, WEEKS):
        load_week(loader, number)
    refresh(connection)
    before = shifts(loader)
    load_week(loader, 0)
    assert set(+refresh(connection).weeks) >= {week(0), week(1), week(2), week(3)}
    after = shifts(loader)
    assert before != after == expected


def test_making_everything_again_changes_nothing(loader: Loader, connection: psycopg.Connection) -> None:
    load_all(loader)
    refresh(connection)
    expected = shifts(loader)
    again = refresh(connection, only_due=False, weeks=[week(number) for number in range(WEEKS)])
    assert again.weeks == dict.fromkeys(map(week, range(WEEKS)), 2)
    assert shifts(loader) == expected
    loader.execute("TRUNCATE shifts_store.shifts, shifts_store.shift_makings")
    refresh(connection, only_due=False, weeks=[week(3)])
    assert shifts(loader) == expected


def test_nothing_is_done_while_nothing_changes(loader: Loader, connection: psycopg.Connection) -> None:
    load_all(loader)
    refresh(connection)
    assert refresh(connection).regions == 0
    loader.execute("UPDATE shifts_store.region_weeks SET shifts_revision = 0")
    assert not +refresh(connection).weeks


def test_a_replaced_file_changes_the_makings_with_its_week(
    loader: Loader, connection: psycopg.Connection
) -> None:
    load_all(loader)
    refresh(connection)
    expected = shifts(loader)
    other = region_weeks("Lyon", 9)
    load(loader, "2.csv", other[2])
    refresh(connection)
    assert shifts(loader) != expected
    counted = loader.query(
        "SELECT count(*), count(t.trip_id) FROM shifts_store.shifts s, unnest(s.trip_ids) AS u (id)"
        " LEFT JOIN shifts_store.trips t ON t.trip_id = u.id"
    )
    assert counted[0][0] == counted[0][1] > 0
    load_week(loader, 2)
    refresh(connection)
    assert shifts(loader) == expected


def test_a_week_that_loses_its_trips_loses_its_shifts(loader: Loader, connection: psycopg.Connection) -> None:
    load_all(loader)
    refresh(connection)
    load(loader, f"{WEEKS - 1}.csv", REGIONS["Lyon"][WEEKS - 1])
    refresh(connection)
    newest = loader.query("SELECT region, max(week) FROM shifts.shifts GROUP BY region ORDER BY region")
    assert newest == [("Lyon", week(WEEKS - 1)), ("Turin", week(WEEKS - 2))]
    assert loader.query("SELECT max(week) FROM shifts_store.shift_makings GROUP BY region_id ORDER BY 1") == [
        (week(WEEKS - 2),),
        (week(WEEKS - 1),),
    ]


def test_an_interrupted_refresh_continues_where_it_stopped(
    loader: Loader, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_all(loader)
    refresh(connection)
    expected = shifts(loader)
    for stop in range(1, 2 * WEEKS):
        loader.execute("TRUNCATE shifts_store.shifts, shifts_store.shift_makings")
        loader.execute("UPDATE shifts_store.region_weeks SET shifts_revision = 0")
        # An old week first, so that later ones are named again.
        if stop % 2:
            load(loader, "0.csv", b"".join(lines[0] for lines in REGIONS.values()))
        calls = iter(range(stop))
        for name in ("replace_makings", "rename_makings"):
            original = getattr(refresh_module, name)

            def killed(
                *arguments: object, original: object = original, calls: Iterator[int] = calls
            ) -> object:
                if next(calls, None) is None:
                    raise KeyboardInterrupt
                return original(*arguments)  # type: ignore[operator]

            monkeypatch.setattr(refresh_module, name, killed)
        try:
            refresh(connection)
        except KeyboardInterrupt:
            assert is_stale(loader)
        monkeypatch.undo()
        refresh(connection)
        assert shifts(loader) == expected
        assert not is_stale(loader)


def test_a_connection_that_is_killed_leaves_whole_makings(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_all(loader)
    with psycopg.connect(loader.url, autocommit=True) as connection:
        refresh(connection)
    expected = shifts(loader)
    loader.execute("TRUNCATE shifts_store.shifts, shifts_store.shift_makings")
    loader.execute("UPDATE shifts_store.region_weeks SET shifts_revision = 0")
    written = iter(range(3))
    original = copy_stream

    def killed(makings: Sequence[Making]) -> Iterator[bytes]:
        yield from original(makings)
        if next(written, None) is None:
            loader.query("SELECT pg_terminate_backend(%s::integer, 5000::bigint)", worker.info.backend_pid)

    monkeypatch.setattr("shifts_pipeline.storage.shifts.rows.copy_stream", killed)
    with psycopg.connect(loader.url, autocommit=True) as worker, pytest.raises(psycopg.Error):
        refresh(worker)
    monkeypatch.undo()
    whole = "SELECT DISTINCT week FROM shifts_store.{} ORDER BY week"
    weeks = [(week(number),) for number in range(3)]
    assert loader.query(whole.format("shift_makings")) == loader.query(whole.format("shifts")) == weeks
    loader.execute("UPDATE shifts_store.shift_attempts SET retry_at = now()")
    with psycopg.connect(loader.url, autocommit=True) as connection:
        refresh(connection)
    assert shifts(loader) == expected


def test_a_making_never_contains_trips_that_were_deleted_meanwhile(
    loader: Loader, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_all(loader)
    original = replace_makings
    is_first = iter([True])

    def replaced_meanwhile(*arguments: object) -> object:
        if next(is_first, False):
            loader.put("0.csv", HEADER + REGIONS["Lyon"][0] + region_weeks("Turin", 11)[0])
            loader.load("0.csv")
            settle(loader)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(refresh_module, "replace_makings", replaced_meanwhile)
    refresh(connection)
    assert is_stale(loader)
    counted = loader.query("SELECT unnest(trip_ids) FROM shifts_store.shifts")
    assert set(counted) <= set(loader.query("SELECT trip_id FROM shifts_store.trips"))
    refresh(connection)
    assert not is_stale(loader)
    found = shifts(loader)
    refresh(connection, only_due=False, weeks=[week(number) for number in range(WEEKS)])
    assert shifts(loader) == found


def test_a_load_during_a_making_leaves_the_region_stale(
    loader: Loader, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_week(loader, 0)
    original = replace_makings

    def loaded_meanwhile(*arguments: object) -> object:
        monkeypatch.undo()
        load(loader, "more.csv", region_weeks("Turin", 11)[0])
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(refresh_module, "replace_makings", loaded_meanwhile)
    refresh(connection)
    assert is_stale(loader)
    assert refresh(connection).regions == 1
    assert not is_stale(loader)


def test_other_parameters_make_every_making_stale(loader: Loader, connection: psycopg.Connection) -> None:
    load_all(loader)
    assert regions.set_options(connection, OPTIONS)
    assert not regions.set_options(connection, OPTIONS)
    refresh(connection)
    assert not regions.set_options(connection, OPTIONS)
    assert not is_stale(loader)
    narrow = MakingOptions(ShiftParameters(max_radius_m=80.0), 2)
    assert regions.set_options(connection, narrow)
    assert is_stale(loader)
    # A run that began before the change does not hide it.
    refresh(connection, options=OPTIONS)
    assert is_stale(loader)
    refresh(connection, options=narrow)
    assert not is_stale(loader)
    assert loader.query(
        "SELECT max(greatest(pickup_walk_max_m, dropoff_walk_max_m)) < 80 FROM shifts_store.shifts"
    ) == [(True,)]


def test_regions_wait_for_their_clusters_but_not_for_ever(
    loader: Loader, connection: psycopg.Connection
) -> None:
    load_all(loader)
    loader.execute(
        "UPDATE shifts_store.region_weeks SET clusters_revision = 0 WHERE week = %s AND region_id ="
        " (SELECT region_id FROM shifts_store.regions WHERE name = 'Lyon')",
        week(0),
    )
    assert {pair.region_id for pair in regions.due_pairs(connection)} == region_ids(loader, "Turin")
    loader.execute("UPDATE shifts_store.region_weeks SET shifts_stale_since = now() - interval '11 minutes'")
    assert {pair.region_id for pair in regions.due_pairs(connection)} == region_ids(loader, "Lyon", "Turin")


def test_two_workers_do_not_refresh_the_same_region(loader: Loader, connection: psycopg.Connection) -> None:
    load_all(loader)
    with psycopg.connect(loader.url, autocommit=True) as other:
        held = regions.begin(other, sorted(region_ids(loader, "Lyon")), "other", only_due=True)
        assert set(held) == region_ids(loader, "Lyon")
        assert refresh(connection).regions == 1
        regions.end(other, held)
    assert refresh(connection).regions == 1


def test_a_region_whose_worker_died_pauses(loader: Loader, connection: psycopg.Connection) -> None:
    load_all(loader)
    with psycopg.connect(loader.url, autocommit=True) as other:
        regions.begin(other, sorted(region_ids(loader, "Lyon")), "other", only_due=True)
    assert {pair.region_id for pair in regions.due_pairs(connection)} == region_ids(loader, "Turin")
    loader.execute("UPDATE shifts_store.shift_attempts SET retry_at = now()")
    assert refresh(connection).regions == 2
    assert loader.query("SELECT * FROM shifts_store.shift_attempts") == []


def test_a_region_that_fails_delays_no_other(
    loader: Loader, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_all(loader)
    original = make

    def fail_lyon(region: object, *arguments: object) -> object:
        if region.region == "Lyon":  # type: ignore[attr-defined]
            raise ValueError("odd trips")
        return original(region, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(refresh_module, "make", fail_lyon)
    assert refresh_shifts(connection, request()).failures == ["Lyon: ValueError: odd trips"]
    assert {row[1] for row in shifts(loader)} == {"Turin"}
    assert loader.query("SELECT region, week, derived_table, error FROM shifts_store.failed_refreshes") == [
        ("Lyon", week(0), "shifts", "ValueError: odd trips")
    ]
    assert refresh(connection).regions == 0
    monkeypatch.undo()
    loader.execute("UPDATE shifts_store.shift_attempts SET retry_at = now()")
    assert refresh(connection).regions == 1


@not_on_citus  # Distributed tables have no triggers.
@pytest.mark.parametrize(
    ("broken", "check"),
    [
        ("NEW.pickup := ST_Translate(NEW.pickup, 0.01, 0)", TRIPS_FIT),
        ("NEW.dropoff := ST_Translate(NEW.dropoff, 0, 0.01)", TRIPS_FIT),
        ("NEW.earliest := NEW.departs; NEW.latest := NEW.departs", TRIPS_FIT),
        ("NEW.weekdays := CASE NEW.weekdays WHEN 64 THEN 32 ELSE 64 END", TRIPS_FIT),
        ("NEW.trip_ids[1] := -NEW.trip_ids[1]", TRIPS_FIT),
        ("NEW.trip_ids[1] := NEW.trip_ids[2]", COUNTED_ONCE),
        ("NEW.rank := 1000", COUNTED_ONCE),
    ],
)
def test_checks_and_audits_find_shifts_that_were_not_written_as_made(
    loader: Loader, connection: psycopg.Connection, broken: str, check: str
) -> None:
    last = week(WEEKS - 1)
    load_all(loader)
    loader.execute(
        "CREATE FUNCTION shifts_store.tamper() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS"
        f" $$ BEGIN IF NEW.rank = 2 AND NEW.week = DATE '{last}' THEN {broken}; END IF; RETURN NEW; END $$"
    )
    loader.execute(
        "CREATE TRIGGER tamper BEFORE INSERT ON shifts_store.shifts FOR EACH ROW"
        " EXECUTE FUNCTION shifts_store.tamper()"
    )
    try:
        refresh(connection)
    finally:
        loader.execute("DROP FUNCTION shifts_store.tamper() CASCADE")
    ranks = loader.query(
        "SELECT check_name, details->'ranks' FROM shifts_store.failed_pair_checks ORDER BY region_id"
    )
    assert [name for name, _ in ranks] == [check, check]
    audited = loader.query(
        "SELECT misfits, double FROM shifts_store.shift_violations(%s, %s, %s, %s) ORDER BY region_id",
        sorted(region_ids(loader, "Lyon", "Turin")),
        last,
        OPTIONS.weeks,
        OPTIONS.parameters.max_radius_m,
    )
    found = [misfits if check == TRIPS_FIT else double for misfits, double in audited]
    assert found == [each for _, each in ranks]


def test_a_trip_leads_to_the_shift_that_counts_it(loader: Loader, connection: psycopg.Connection) -> None:
    load_all(loader)
    refresh(connection)
    starts = dict(loader.query("SELECT trip_id, started_at FROM shifts_store.trips"))
    counting = loader.query(
        "SELECT region_id, week, rank, shift_id, trip_ids FROM shifts_store.shifts WHERE week = %s",
        week(WEEKS - 1),
    )
    assert counting
    for region_id, monday, rank, shift_id, trip_ids in counting:
        for trip_id in trip_ids:
            found = connection.execute(
                "SELECT rank, shift_id FROM shifts_store.shift_of_trip(%s, %s, %s, %s)",
                [region_id, monday, trip_id, starts[trip_id]],
            )
            assert found.fetchall() == [(rank, shift_id)]


def region_ids(loader: Loader, *names: str) -> set[int]:
    rows = loader.query("SELECT region_id FROM shifts_store.regions WHERE name = ANY (%s)", list(names))
    return {region_id for (region_id,) in rows}
