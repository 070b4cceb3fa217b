"""Failed ticks of sensors and schedules are published to the feed, without affecting Dagster."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorTick, TickData, TickStatus
from dagster_shared.error import SerializableErrorInfo

from tests.conftest import dagster_instance
from tests.integration.api.running import Service, last_id, listening

NOON = datetime(2018, 5, 28, 12, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def instance(dagster_database_url: str) -> Iterator[dg.DagsterInstance]:
    with dagster_instance(dagster_database_url) as found:
        yield found


def tick(
    instance: dg.DagsterInstance,
    status: TickStatus,
    *,
    sensor: str,
    at: float = NOON,
    kind: InstigatorType = InstigatorType.SENSOR,
    error: str = "OSError: no such folder",
) -> InstigatorTick:
    """A tick that begins and ends, as the daemon records it."""
    begun = instance.create_tick(TickData(sensor, sensor, kind, TickStatus.STARTED, at, selector_id=sensor))
    cause = SerializableErrorInfo(f"{error}\n", [], "OSError")
    outer = SerializableErrorInfo("SensorExecutionError: evaluating\n", [], "SensorExecutionError", cause)
    errors = {"error": outer} if status is TickStatus.FAILURE else {}
    ended: InstigatorTick = instance.update_tick(begun.with_status(status, **errors))
    return ended


def published(outbox: psycopg.Connection, after: int) -> list[tuple[str, str]]:
    return outbox.execute(
        "SELECT type, message FROM shifts_feed.events WHERE event_id > %s ORDER BY event_id", [after]
    ).fetchall()


def test_a_failed_tick_is_received_with_the_error_and_a_link(
    instance: dg.DagsterInstance, service: Service
) -> None:
    with listening(service) as events:
        tick(instance, TickStatus.FAILURE, sensor="landing_zone")
        event = next(events)
    assert event.type == "sensor.failed"
    assert event.data["message"] == "sensor landing_zone failed: OSError: no such folder"
    assert event.data["sensor"] == "landing_zone"
    assert event.data["url"] == "http://127.0.0.1:3000/locations/shifts/sensors/landing_zone"


def test_a_sensor_that_fails_every_few_seconds_is_published_once_an_hour(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    before = last_id(outbox)
    for seconds in (0, 2, 4, 3598, 3600, 3602):
        tick(instance, TickStatus.FAILURE, sensor="often", at=NOON + seconds, error=f"OSError: {seconds}")
    assert published(outbox, before) == [
        ("sensor.failed", "sensor often failed: OSError: 0"),
        ("sensor.failed", "sensor often failed: OSError: 3600"),
    ]


def test_a_failed_schedule_is_published_and_other_ticks_are_not(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    before = last_id(outbox)
    tick(instance, TickStatus.SKIPPED, sensor="idle")
    tick(instance, TickStatus.SUCCESS, sensor="busy")
    tick(instance, TickStatus.FAILURE, sensor="nightly", kind=InstigatorType.SCHEDULE)
    assert published(outbox, before) == [
        ("schedule.failed", "schedule nightly failed: OSError: no such folder")
    ]


def test_dagster_continues_if_a_failed_tick_cannot_be_published(
    instance: dg.DagsterInstance, outbox: psycopg.Connection
) -> None:
    outbox.execute("ALTER TABLE shifts_feed.events RENAME TO gone")
    try:
        ended = tick(instance, TickStatus.FAILURE, sensor="unpublished")
    finally:
        outbox.execute("ALTER TABLE shifts_feed.gone RENAME TO events")
    (stored,) = instance.get_ticks("unpublished", "unpublished", limit=1)
    assert stored.tick_id == ended.tick_id
    assert stored.status is TickStatus.FAILURE


def test_an_unreadable_tick_is_published_without_a_reason(outbox: psycopg.Connection) -> None:
    before = last_id(outbox)
    outbox.execute(
        "INSERT INTO job_ticks (job_origin_id, selector_id, status, type, timestamp, tick_body)"
        " VALUES ('odd', 'odd', 'FAILURE', 'SENSOR', now(), '{')"
    )
    assert published(outbox, before) == [("sensor.failed", "sensor failed")]
