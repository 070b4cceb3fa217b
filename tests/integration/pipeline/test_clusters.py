"""Groups in the database: whole with their members, the same again, old or new but never half, and checked."""

from typing import Any

import dagster as dg
import psycopg
import pytest

from shifts_pipeline.asset_keys import TRIP_CLUSTERS
from shifts_pipeline.assets.trip_clusters import MEMBERS_BELONG, WITHIN_RADIUS
from shifts_pipeline.storage import cluster_tables
from shifts_platform.generator.csv_file import csv_blocks
from tests.integration.pipeline.harness import HEADER, Pipeline, row

WEEK = "2018-04-30"
REGIONS = ["Hamburg", "Prague", "Turin"]
GROUPS = "SELECT * FROM shifts_store.trip_clusters ORDER BY cluster_id"
MEMBERS = "SELECT * FROM shifts_store.trip_cluster_members ORDER BY trip_id"


def a_week(trips: int = 3_000, seed: int = 3) -> str:
    """Generated trips of one week in three regions."""
    return b"".join(lines for _, lines in csv_blocks(trips, seed=seed, weeks=1)).decode()


def commuters(region: str, hour: str = "08", count: int = 6) -> str:
    """Trips of one route on workdays, minutes apart."""
    return "".join(row(region, f"2018-05-0{day} {hour}:{day:02}:00") for day in range(1, count + 1))


def group(pipeline: Pipeline, region: str = "Turin") -> dg.ExecuteInProcessResult:
    """Groups one region's week, as by hand."""
    return pipeline.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=pipeline.instance,
        partition_key=f"{region}|{WEEK}",
        asset_selection=[TRIP_CLUSTERS],
        raise_on_error=False,
    )


def failed_checks(run: dg.ExecuteInProcessResult) -> set[str]:
    """Names of the checks that did not pass; a run tells of both."""
    passed = {check.check_name: check.passed for check in run.get_asset_check_evaluations()}
    return {name for name in (WITHIN_RADIUS, MEMBERS_BELONG) if not passed[name]}


def tables(pipeline: Pipeline) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """All groups and all members."""
    return pipeline.query(GROUPS), pipeline.query(MEMBERS)


def test_groups_are_there_with_their_trips_for_people_with_a_prompt(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", a_week())
    pipeline.load()
    (run,) = pipeline.refresh()
    assert run.success
    assert failed_checks(run) == set()
    groups = pipeline.query("SELECT region, count(*), sum(trips) FROM shifts.clusters GROUP BY 1 ORDER BY 1")
    assert [region for region, _, _ in groups] == REGIONS
    assert all(count > 10 for _, count, _ in groups)
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
    assert len(joined) == sum(count for _, count, _ in groups)
    for _, trips, radius_m, members, different, in_region, in_week, farthest, between in joined:
        assert trips == members == different >= 5
        assert in_region
        assert in_week
        assert farthest == pytest.approx(radius_m, abs=0.01)
        assert farthest <= 500
        assert between.total_seconds() <= 3_600 or between.total_seconds() >= 23 * 3_600
    assert pipeline.query("SELECT count(*), count(DISTINCT trip_id) FROM shifts.cluster_members") == [
        (sum(trips for _, _, trips in groups),) * 2
    ]
    assert pipeline.query(
        "SELECT cluster_id, trip_id FROM shifts.grouped_trips g JOIN shifts.trips t"
        " USING (trip_id, region, started_at, origin, destination, source) ORDER BY 2"
    ) == pipeline.query("SELECT cluster_id, trip_id FROM shifts.cluster_members ORDER BY 2")


def test_the_same_route_in_another_region_at_another_hour_or_the_other_way_is_another_group(
    pipeline: Pipeline,
) -> None:
    back = "".join(
        row("Turin", f"2018-05-0{day} 08:00:00", origin=(7.72, 45.06), destination=(7.67, 45.01))
        for day in range(1, 7)
    )
    pipeline.put("a.csv", HEADER + commuters("Turin") + commuters("Lyon") + commuters("Turin", "17") + back)
    pipeline.load()
    pipeline.refresh()
    found = pipeline.query(
        "SELECT region, extract(hour FROM started_at)::int, ST_X(origin) < 7.7, count(*), count(DISTINCT cluster_id),"
        " min(cluster_id) FROM shifts.grouped_trips GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    assert [line[:5] for line in found] == [
        ("Lyon", 8, True, 6, 1),
        ("Turin", 8, False, 6, 1),
        ("Turin", 8, True, 6, 1),
        ("Turin", 17, True, 6, 1),
    ]
    assert len({line[5] for line in found}) == 4


def test_grouped_again_a_week_is_the_same_and_loaded_anew_it_keeps_its_ids(pipeline: Pipeline) -> None:
    pipeline.put("a.csv", a_week())
    pipeline.load()
    pipeline.refresh()
    before = tables(pipeline)
    assert group(pipeline).success
    assert tables(pipeline) == before
    header, *lines = a_week().splitlines(keepends=True)
    pipeline.put("a.csv", header + "".join(reversed(lines)))
    pipeline.load()
    pipeline.refresh()
    # The trips are new ones with the same content.
    assert pipeline.query(GROUPS) == before[0]
    pipeline.put("a.csv", HEADER + commuters("Turin"))
    pipeline.load()
    pipeline.refresh()
    assert pipeline.query("SELECT region, trips FROM shifts.clusters") == [("Turin", 6)]
    assert pipeline.query("SELECT count(*) FROM shifts.cluster_members") == [(6,)]


def test_a_run_that_fails_half_way_leaves_the_old_groups_whole(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.put("a.csv", HEADER + commuters("Turin"))
    pipeline.load()
    pipeline.refresh()
    before = tables(pipeline)
    assert len(before[1]) == 6
    pipeline.put("b.csv", HEADER + commuters("Turin", count=5))
    pipeline.load()

    def fail(rows: object) -> bytes:
        del rows
        raise OSError("the members are not to be had")

    with monkeypatch.context() as patch:
        patch.setattr(cluster_tables, "to_bytes", fail)
        assert not group(pipeline).success
    assert tables(pipeline) == before
    assert pipeline.query("SELECT clusters_stale FROM shifts_store.stale_weeks") == [(True,)]
    assert group(pipeline).success
    assert pipeline.query("SELECT trips FROM shifts.clusters") == [(11,)]
    assert pipeline.query("SELECT clusters_stale FROM shifts_store.stale_weeks") == [(False,)]


TAMPERED = [
    ("trip_clusters", "NEW.radius_m := NEW.radius_m / 2", WITHIN_RADIUS),
    ("trip_clusters", "NEW.radius_m := 501", WITHIN_RADIUS),
    ("trip_clusters", "NEW.trips := NEW.trips + 1", MEMBERS_BELONG),
    ("trip_clusters", "NEW.latest_time := NEW.earliest_time", MEMBERS_BELONG),
    ("trip_cluster_members", "NEW.trip_id := 1", MEMBERS_BELONG),
    (
        "trip_cluster_members",
        "NEW.trip_id := (SELECT trip_id FROM shifts.trips WHERE source = 'alone' LIMIT 1)",
        MEMBERS_BELONG,
    ),
    (
        "trip_cluster_members",
        "NEW.trip_id := (SELECT trip_id FROM shifts.trips WHERE source = 'night' LIMIT 1)",
        MEMBERS_BELONG,
    ),
]


_TAMPER = """
    CREATE FUNCTION shifts_store.tamper() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('tests.tampered', true) IS DISTINCT FROM 'yes' THEN
            {change};
            PERFORM set_config('tests.tampered', 'yes', true);
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER tamper BEFORE INSERT ON shifts_store.{table}
        FOR EACH ROW EXECUTE FUNCTION shifts_store.tamper();
"""
"""Changes the first row that is written."""


def test_what_is_tampered_with_on_its_way_into_the_tables_fails_its_check(pipeline: Pipeline) -> None:
    near = "".join(
        row("Turin", f"2018-05-0{day} 08:00:0{day}", origin=(7.67 + day / 10_000, 45.01))
        for day in range(1, 7)
    )
    night = row("Turin", "2018-05-03 02:00:00", origin=(7.6703, 45.01), source="night")
    pipeline.put("a.csv", HEADER + near + row("Lyon", "2018-05-03 08:00:00", source="alone") + night)
    pipeline.load()
    pipeline.refresh()
    for table, change, check in TAMPERED:
        with psycopg.connect(pipeline.url, autocommit=True) as connection:
            connection.execute(_TAMPER.format(change=change, table=table))
            assert failed_checks(group(pipeline)) == {check}, change
            connection.execute("DROP FUNCTION shifts_store.tamper() CASCADE")
    assert failed_checks(group(pipeline)) == set()
