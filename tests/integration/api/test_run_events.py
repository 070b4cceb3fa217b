"""Events that Dagster logs are published to the feed without affecting Dagster."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.events.log import EventLogEntry

from shifts_pipeline.jobs.run_tags import task_id_tags

Row = tuple[str, str | None, list[str], str | None, str | None, str | None]


@dg.asset(check_specs=[dg.AssetCheckSpec("has_rows", asset="measured")])
def measured() -> Iterator[Any]:
    yield dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(check_name="has_rows", passed=False, metadata={"rows": 0})]
    )


@dg.asset(key_prefix=["deep"])
def good() -> None:
    """Fine."""


@dg.asset
def broken() -> None:
    raise ValueError('it "broke"\n\u2028 \\u0000')


@dg.asset_check(asset=good, name="raises")
def raises() -> dg.AssetCheckResult:
    raise RuntimeError("cannot look")


@dg.asset_check(asset=good, name="warns")
def warns() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description="seven are waiting"
    )


def check_job(*checks: dg.AssetChecksDefinition) -> dg.JobDefinition:
    """A job that evaluates checks and materializes nothing, as schedules do."""
    job = dg.define_asset_job("checks", selection=dg.AssetSelection.checks(*checks))
    return dg.Definitions(assets=[good], asset_checks=checks, jobs=[job]).resolve_job_def("checks")


def _published(outbox: psycopg.Connection, run_id: str) -> list[Row]:
    return outbox.execute(
        "SELECT type, run_id, task_ids, asset, partition, message FROM shifts_feed.events"
        " WHERE run_id = %s ORDER BY event_id",
        [run_id],
    ).fetchall()


@pytest.mark.parametrize(
    "tags",
    [
        task_id_tags([f"t{number}" for number in range(70)]),
        {
            "shifts/task_ids.0": ",".join(f"t{number}" for number in range(64)),
            "shifts/task_ids.1": ",".join(f"t{number}" for number in range(64, 70)),
        },
    ],
    ids=["run", "run of an older version"],
)
def test_a_run_is_published_from_start_to_success_with_its_tasks(
    instance: dg.DagsterInstance, outbox: psycopg.Connection, tags: dict[str, str]
) -> None:
    result = dg.materialize([good, measured], instance=instance, tags=tags)
    published = _published(outbox, result.run_id)
    assert [row[0] for row in published][:1] == ["run.started"]
    assert [row[0] for row in published][-1:] == ["run.succeeded"]
    assert {(row[0], row[3]) for row in published[1:-1]} == {
        ("asset.materialized", "deep/good"),
        ("asset.materialized", "measured"),
        ("check.failed", "measured"),
    }
    assert all(row[2] == [f"t{number}" for number in range(70)] for row in published)
    assert [row[5] for row in published if row[0] == "check.failed"] == ["check has_rows failed"]


def test_a_failed_check_is_published_with_its_partition(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    days = dg.StaticPartitionsDefinition(["monday"])
    spec = dg.AssetCheckSpec("has_rows", asset="daily", partitions_def=days)

    @dg.asset(partitions_def=days, check_specs=[spec])
    def daily() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=False)

    result = dg.materialize([daily], instance=instance, partition_key="monday")
    (published,) = [row for row in _published(outbox, result.run_id) if row[0] == "check.failed"]
    assert published[4] == "monday"


def details(outbox: psycopg.Connection, run_id: str, type_: str) -> dict[str, Any]:
    """What the only event of a run and type states besides its columns."""
    ((found,),) = outbox.execute(
        "SELECT details FROM shifts_feed.events WHERE run_id = %s AND type = %s", [run_id, type_]
    ).fetchall()
    return dict(found)


def test_a_failed_run_is_published_with_the_error_that_caused_it(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    result = dg.materialize([broken], instance=instance, raise_on_error=False)
    published = _published(outbox, result.run_id)
    assert [row[0] for row in published] == ["run.started", "run.failed"]
    assert published[-1][5] == 'ValueError: it "broke"\n\u2028 \\u0000'
    assert details(outbox, result.run_id, "run.failed")["step"] == "broken"


def test_a_run_that_a_failure_ends_is_published_with_its_description_and_partitions(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(["a", "b", "c"]),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def files() -> None:
        raise dg.Failure("a.csv: it has no header\nb.csv: it is empty", allow_retries=False)

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    several = dg.materialize([files], instance=instance, tags=tags, raise_on_error=False)
    assert _published(outbox, several.run_id)[-1][4:] == (None, "a.csv: it has no header\nb.csv: it is empty")
    found = details(outbox, several.run_id, "run.failed")
    assert (found["first_partition"], found["last_partition"]) == ("a", "b")
    tags["dagster/asset_partition_range_end"] = "a"
    of_one = dg.materialize([files], instance=instance, tags=tags, raise_on_error=False)
    assert _published(outbox, of_one.run_id)[-1][4] == "a"
    by_hand = dg.materialize([files], instance=instance, partition_key="c", raise_on_error=False)
    assert _published(outbox, by_hand.run_id)[-1][4] == "c"


def test_a_run_whose_worker_died_is_published_with_the_reason(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    run = instance.create_run_for_job(check_job(warns), status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "The run's worker process is gone")
    assert [(row[0], row[5]) for row in _published(outbox, run.run_id)] == [
        ("run.failed", "The run's worker process is gone"),
        ("check.failed", "check warns failed: it was not evaluated: The run's worker process is gone"),
    ]


def test_a_failed_check_is_published_with_severity_and_description(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    result = check_job(warns).execute_in_process(instance=instance)
    (published,) = [row for row in _published(outbox, result.run_id) if row[0] == "check.failed"]
    assert published[3:] == ("deep/good", None, "check warns failed: seven are waiting")
    assert details(outbox, result.run_id, "check.failed") == {
        "check": "warns",
        "severity": "WARN",
        "job": "checks",
    }


def test_a_check_that_raises_is_published_as_failed_and_others_once(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    result = check_job(raises, warns).execute_in_process(instance=instance, raise_on_error=False)
    published = [row for row in _published(outbox, result.run_id) if row[0] == "check.failed"]
    assert {(row[3], row[5]) for row in published} == {
        ("deep/good", "check raises failed: it was not evaluated: RuntimeError: cannot look"),
        ("deep/good", "check warns failed: seven are waiting"),
    }
    assert len(published) == 2


def test_checks_of_an_asset_that_fails_are_not_published_too(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("has_rows", asset="fails")])
    def fails() -> Iterator[Any]:
        yield dg.Output(1 // 0)

    result = dg.materialize([fails], instance=instance, raise_on_error=False)
    assert [row[0] for row in _published(outbox, result.run_id)] == ["run.started", "run.failed"]


def test_all_events_of_a_batch_are_published(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    entries = [
        EventLogEntry(  # type: ignore[no-untyped-call]
            error_info=None,
            user_message="",
            level="debug",
            run_id="batch",
            timestamp=0.0,
            dagster_event=DagsterEvent(
                event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
                job_name="job",
                event_specific_data=dg._core.events.StepMaterializationData(
                    dg.AssetMaterialization("many", partition=str(number))
                ),
            ),
        )
        for number in range(40)
    ]
    instance.event_log_storage.store_event_batch(entries)
    assert [row[4] for row in _published(outbox, "batch")] == [str(number) for number in range(40)]


def _insert(outbox: psycopg.Connection, run_id: str, type_: str | None, event: str, **columns: str) -> int:
    row = outbox.execute(
        "INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, asset_key, partition)"
        " VALUES (%s, %s, %s, now(), %s, %s) RETURNING id",
        [run_id, event, type_, columns.get("asset_key"), columns.get("partition")],
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("event", ["", "{", "null", "[]", "7", '"\\u0000"', '{"dagster_event": 3}'])
def test_an_unreadable_event_never_stops_dagster(
    outbox: psycopg.Connection, event: str, request: pytest.FixtureRequest
) -> None:
    run_id = f"odd {request.node.name}"
    _insert(outbox, run_id, "PIPELINE_SUCCESS", event)
    _insert(
        outbox, run_id, "ASSET_MATERIALIZATION", event, asset_key='["a", "b"]', partition="Turin|2018-05-28"
    )
    _insert(outbox, run_id, "ASSET_MATERIALIZATION", event, asset_key="no json")
    _insert(outbox, run_id, "ASSET_CHECK_EVALUATION", event)
    assert _published(outbox, run_id) == [
        ("run.succeeded", run_id, [], None, None, None),
        ("asset.materialized", run_id, [], "a/b", "Turin|2018-05-28", None),
        ("asset.materialized", run_id, [], None, None, None),
    ]


def test_dagster_continues_if_the_outbox_cannot_be_written(outbox: psycopg.Connection) -> None:
    outbox.execute("ALTER TABLE shifts_feed.events RENAME TO gone")
    try:
        assert _insert(outbox, "no outbox", "PIPELINE_START", "{}") > 0
    finally:
        outbox.execute("ALTER TABLE shifts_feed.gone RENAME TO events")


def test_other_events_take_no_lock_and_are_not_parsed(
    outbox: psycopg.Connection, dagster_database_url: str
) -> None:
    with psycopg.connect(dagster_database_url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(hashtext('shifts_feed.events'))")
        outbox.execute("SET lock_timeout = '2s'")
        for type_ in (None, "STEP_START", "LOGS_CAPTURED", "PIPELINE_STARTING", "HANDLED_OUTPUT"):
            _insert(outbox, "quiet", type_, "no json at all")
    assert _published(outbox, "quiet") == []


def test_an_event_with_the_same_key_is_published_once(outbox: psycopg.Connection) -> None:
    log_id = _insert(outbox, "twice", "PIPELINE_START", json.dumps({"pipeline_name": "job"}))
    outbox.execute(
        "SELECT shifts_feed.publish_run_event(%s, 'twice', 'PIPELINE_START', '{}', NULL, NULL)", [log_id]
    )
    assert [row[0] for row in _published(outbox, "twice")] == ["run.started"]


def test_ids_become_visible_in_ascending_order(outbox: psycopg.Connection, dagster_database_url: str) -> None:
    with psycopg.connect(dagster_database_url) as slow:
        slow.execute("SELECT shifts_feed.publish('file.progress', 'order', '{}', NULL, NULL, 'first')")
        outbox.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            outbox.execute("SELECT shifts_feed.publish('file.progress', 'order', '{}', NULL, NULL, 'second')")
        slow.commit()
    outbox.execute("SELECT shifts_feed.publish('file.progress', 'order', '{}', NULL, NULL, 'second')")
    assert [row[5] for row in _published(outbox, "order")] == ["first", "second"]
