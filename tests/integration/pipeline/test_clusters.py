"""Clusters in the database: complete with their members, reproducible, replaced as a whole, and checked."""

from typing import Any

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.asset_keys import TRIP_CLUSTERS
from shifts_pipeline.storage import cluster_tables
from shifts_pipeline.storage.cluster_violations import MEMBERS_BELONG, WITHIN_RADIUS
from shifts_platform.generator.csv_file import csv_blocks
from tests.integration.pipeline.harness import HEADER, Pipeline, row

WEEK = "2018-04-30"
REGIONS = ["Hamburg", "Prague", "Turin"]
CLUSTERS = (
    "SELECT cluster_id, region_id, week, time_bin, trips, radius_m, typical_time, earliest_time, latest_time,"
    " share_of_bin, origin, destination FROM shifts_store.trip_clusters ORDER BY cluster_id"
)
MEMBERS = "SELECT cluster_id, trip_id FROM shifts.cluster_members ORDER BY trip_id"


def generated_week(trips: int = 3_000, seed: int = 3) -> str:
    """Return generated trips of one week in three regions."""
    return b"".join(lines for _, lines in csv_blocks(trips, seed=seed, weeks=1)).decode()


def commuters(region: str, hour: str = "08", count: int = 6) -> str:
    """Return trips on one route, one a day, minutes apart."""
    return "".join(row(region, f"2018-05-0{day} {hour}:{day:02}:00") for day in range(1, count + 1))


def materialize(pipeline: Pipeline) -> dg.ExecuteInProcessResult:
    """Materialize a week, as from the Dagster UI."""
    return pipeline.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=pipeline.instance,
        partition_key=WEEK,
        asset_selection=[TRIP_CLUSTERS],
        raise_on_error=False,
    )


def failed_checks(run: dg.ExecuteInProcessResult) -> set[str]:
    passed = {check.check_name: check.passed for check in run.get_asset_check_evaluations()}
    return {name for name in (WITHIN_RADIUS, MEMBERS_BELONG) if not passed[name]}


def tables(pipeline: Pipeline) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return all rows of both tables."""
    return pipeline.query(CLUSTERS), pipeline.query(MEMBERS)


def test_views_hold_clusters_with_their_members(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", generated_week())
    pipeline.load()
    (run,) = pipeline.refresh()
    assert run.success
    assert failed_checks(run) == set()
    totals = pipeline.query("SELECT region, count(*), sum(trips) FROM shifts.clusters GROUP BY 1 ORDER BY 1")
    assert [region for region, _, _ in totals] == REGIONS
    assert all(count > 10 for _, count, _ in totals)
    joined = pipeline.query(
        """
        SELECT c.cluster_id, c.trips, c.radius_m, count(*), count(DISTINCT t.trip_id), bool_and(t.region = c.region),
               bool_and(t.started_at >= c.week AND t.started_at < c.week + 7),
               max(greatest(ST_DistanceSphere(t.origin, c.origin), ST_DistanceSphere(t.destination, c.destination))),
               max(t.started_at::time) - min(t.started_at::time)
        FROM shifts.clusters c JOIN shifts.cluster_members m USING (cluster_id) JOIN shifts.trips t USING (trip_id)
        GROUP BY 1, 2, 3
        """
    )
    assert len(joined) == sum(count for _, count, _ in totals)
    for _, trips, radius_m, members, distinct, in_region, in_week, farthest, window in joined:
        assert trips == members == distinct >= 5
        assert in_region
        assert in_week
        assert farthest == pytest.approx(radius_m, abs=0.01)
        assert farthest <= 500
        assert window.total_seconds() <= 3_600 or window.total_seconds() >= 23 * 3_600
    assert pipeline.query("SELECT count(*), count(DISTINCT trip_id) FROM shifts.cluster_members") == [
        (sum(trips for _, _, trips in totals),) * 2
    ]
    assert pipeline.query(
        "SELECT cluster_id, trip_id FROM shifts.grouped_trips g JOIN shifts.trips t"
        " USING (trip_id, region, started_at, origin, destination, source) ORDER BY 2"
    ) == pipeline.query("SELECT cluster_id, trip_id FROM shifts.cluster_members ORDER BY 2")


def test_the_materialization_shows_figures_and_the_largest_clusters(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", HEADER + commuters("Turin") + row("Turin", "2018-05-03 20:00:00"))
    pipeline.load()
    (run,) = pipeline.refresh()
    (event,) = [
        event.step_materialization_data.materialization
        for event in run.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION and event.asset_key == TRIP_CLUSTERS
    ]
    metadata: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert (metadata["trips"], metadata["trips_clustered"], metadata["share_clustered"]) == (7, 6, 0.8571)
    table = event.metadata["largest_clusters"]
    assert isinstance(table, dg.TableMetadataValue)
    (largest,) = [record.data for record in table.records]
    assert (largest["trips"], largest["earliest"], largest["latest"]) == (6, "08:01", "08:06")
    assert "strongest_flows" in metadata


def test_another_region_another_hour_and_the_way_back_are_other_clusters(pipeline: Pipeline) -> None:
    back = "".join(
        row("Turin", f"2018-05-0{day} 08:00:00", origin=(7.72, 45.06), destination=(7.67, 45.01))
        for day in range(1, 7)
    )
    pipeline.put("a.csv", HEADER + commuters("Turin") + commuters("Lyon") + commuters("Turin", "17") + back)
    pipeline.load()
    pipeline.refresh()
    rows = pipeline.query(
        "SELECT region, extract(hour FROM started_at)::int, ST_X(origin) < 7.7, count(*), count(DISTINCT cluster_id),"
        " min(cluster_id) FROM shifts.grouped_trips GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    assert [line[:5] for line in rows] == [
        ("Lyon", 8, True, 6, 1),
        ("Turin", 8, False, 6, 1),
        ("Turin", 8, True, 6, 1),
        ("Turin", 17, True, 6, 1),
    ]
    assert len({line[5] for line in rows}) == 4


def test_the_same_trips_give_the_same_clusters_and_ids(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", generated_week())
    pipeline.load()
    pipeline.refresh()
    before = tables(pipeline)
    assert materialize(pipeline).success
    assert tables(pipeline) == before
    header, *lines = generated_week().splitlines(keepends=True)
    pipeline.put("a.csv", header + "".join(reversed(lines)))
    pipeline.load()
    pipeline.refresh()
    # A new version of the file has new trip ids, so only the clusters stay the same.
    assert pipeline.query(CLUSTERS) == before[0]
    pipeline.put("a.csv", HEADER + commuters("Turin"))
    pipeline.load()
    pipeline.refresh()
    assert pipeline.query("SELECT region, trips FROM shifts.clusters") == [("Turin", 6)]
    assert pipeline.query("SELECT count(*) FROM shifts.cluster_members") == [(6,)]


def test_a_run_that_fails_while_writing_keeps_the_old_clusters(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.put("a.csv", HEADER + commuters("Turin"))
    pipeline.load()
    pipeline.refresh()
    before = tables(pipeline)
    assert len(before[1]) == 6
    pipeline.put("b.csv", HEADER + commuters("Turin", count=5))
    pipeline.load()

    def fail(*rows: object) -> bytes:
        del rows
        raise OSError("members cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr(cluster_tables, "with_arrays", fail)
        assert not materialize(pipeline).success
    assert tables(pipeline) == before
    assert pipeline.query("SELECT clusters_stale FROM shifts_store.stale_weeks") == [(True,)]
    assert materialize(pipeline).success
    assert pipeline.query("SELECT trips FROM shifts.clusters") == [(11,)]
    assert pipeline.query("SELECT clusters_stale FROM shifts_store.stale_weeks") == [(False,)]


TAMPERING = [
    ("NEW.radius_m := NEW.radius_m / 2", WITHIN_RADIUS),
    ("NEW.radius_m := 501", WITHIN_RADIUS),
    ("NEW.latest_time := NEW.earliest_time", MEMBERS_BELONG),
    ("NEW.trip_ids[1] := 1", MEMBERS_BELONG),
    ("NEW.trip_ids[1] := NEW.trip_ids[2]", MEMBERS_BELONG),
    ("NEW.trip_ids := NEW.trip_ids[2:]", MEMBERS_BELONG),
    ("NEW.trip_ids[1] := (SELECT trip_id FROM shifts.trips WHERE source = 'alone' LIMIT 1)", MEMBERS_BELONG),
    ("NEW.trip_ids[1] := (SELECT trip_id FROM shifts.trips WHERE source = 'night' LIMIT 1)", MEMBERS_BELONG),
]
"""Change of the first row that is written, and the check that must fail."""


_TAMPER = """
    CREATE FUNCTION shifts_store.tamper() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('tests.tampered', true) IS DISTINCT FROM 'yes' THEN
            {change};
            PERFORM set_config('tests.tampered', 'yes', true);
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER tamper BEFORE INSERT ON shifts_store.trip_clusters
        FOR EACH ROW EXECUTE FUNCTION shifts_store.tamper();
"""


def test_a_row_that_is_changed_on_its_way_into_a_table_fails_its_check(pipeline: Pipeline) -> None:
    near = "".join(
        row("Turin", f"2018-05-0{day} 08:00:0{day}", origin=(7.67 + day / 10_000, 45.01))
        for day in range(1, 7)
    )
    night = row("Turin", "2018-05-03 02:00:00", origin=(7.6703, 45.01), source="night")
    pipeline.put("a.csv", HEADER + near + row("Lyon", "2018-05-03 08:00:00", source="alone") + night)
    pipeline.load()
    pipeline.refresh()
    for change, check in TAMPERING:
        with psycopg.connect(pipeline.url, autocommit=True) as connection:
            connection.execute(_TAMPER.format(change=change))
            assert failed_checks(materialize(pipeline)) == {check}, change
            connection.execute("DROP FUNCTION shifts_store.tamper() CASCADE")
    assert failed_checks(materialize(pipeline)) == set()
