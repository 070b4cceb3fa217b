"""What transitions leave in a file's record, and which records the queries find."""

from collections.abc import Iterator
from threading import Thread

import psycopg
import pytest

from shifts_core.landing.zone import LandedFile
from shifts_pipeline.storage import ledger, locks, transitions
from tests.citus import is_waiting_for_lock
from tests.integration.loading.loading import Loader
from tests.integration.platform.running import wait_until

A = LandedFile("a.csv", "file:///a.csv", "1", 1)
B = LandedFile("b.csv", "file:///b.csv", "1", 1)
ENDED_LONG_AGO = "UPDATE shifts_store.trip_files SET finished_at = finished_at - interval '1 hour'"


@pytest.fixture
def connection(loader: Loader) -> Iterator[psycopg.Connection]:
    with psycopg.connect(loader.url, autocommit=True) as found:
        yield found


def _register(connection: psycopg.Connection, *files: LandedFile) -> list[int]:
    transitions.register(connection, files)
    return [ledger.versions_of(connection, file.name)[0].file_id for file in files]


def _load(connection: psycopg.Connection, *file_ids: int) -> None:
    for file_id in file_ids:
        transitions.begin(connection, file_id, "run")
        connection.execute("SELECT shifts_store.finish_file(%s, %s, 1, 0)", [file_id, f"hash of {file_id}"])


def _lock(connection: psycopg.Connection, name: str, original: int | None) -> bool:
    row = connection.execute("SELECT shifts_store.lock_versions(%s, %s)", [name, original]).fetchone()
    assert row is not None
    return bool(row[0])


def _row(connection: psycopg.Connection, columns: str, file_id: int) -> tuple[object, ...]:
    row = connection.execute(
        f"SELECT {columns} FROM shifts_store.trip_files WHERE file_id = %s", [file_id]
    ).fetchone()
    assert row is not None
    return row


def test_two_that_register_a_version_at_the_same_time_queue_it_once(
    loader: Loader, connection: psycopg.Connection
) -> None:
    counts: list[int] = []
    with psycopg.connect(loader.url) as first:
        assert transitions.register(first, [A]) == 1
        second = Thread(target=lambda: counts.append(transitions.register(connection, [A])))
        second.start()
        wait_until(lambda: is_waiting_for_lock(loader.url))
    second.join()
    assert counts == [0]
    assert loader.statuses() == {"a.csv": ["queued"]}


def test_a_version_that_comes_back_is_queued_as_if_it_were_new(connection: psycopg.Connection) -> None:
    columns = "status, run_request_id, requested_at, attempts, error"
    (file_id,) = _register(connection, A)
    new = _row(connection, columns, file_id)
    transitions.request_run(connection, [file_id], "request")
    transitions.supersede(connection, [file_id], error="replaced", run_id="run")
    queued_before = _row(connection, "queued_at", file_id)
    assert transitions.register(connection, [A]) == 1
    assert _row(connection, columns, file_id) == new
    assert _row(connection, "queued_at", file_id) > queued_before


def test_a_load_that_begins_again_clears_its_end_and_publishes_the_new_one(
    connection: psycopg.Connection,
) -> None:
    (file_id,) = _register(connection, A)
    for is_good in (False, True):
        transitions.begin(connection, file_id, "run")
        assert _row(connection, "finished_at, published_at", file_id) == (None, None)
        if is_good:
            connection.execute("SELECT shifts_store.finish_file(%s, 'hash', 1, 0)", [file_id])
        else:
            transitions.fail(connection, [file_id], "bad")
        assert ledger.unpublished(connection, 10) == []
        connection.execute(ENDED_LONG_AGO)
        assert [record.file_id for record in ledger.unpublished(connection, 10)] == [file_id]
        ledger.mark_published(connection, file_id)
        assert ledger.unpublished(connection, 10) == []
    transitions.fail_reload(connection, file_id, "bad now")
    connection.execute(ENDED_LONG_AGO)
    assert [record.file_id for record in ledger.unpublished(connection, 10)] == [file_id]


def test_an_outage_before_the_first_request_leaves_the_attempts_at_zero(
    connection: psycopg.Connection,
) -> None:
    (file_id,) = _register(connection, A)
    transitions.retry(connection, [file_id], "away", counts=False)
    assert _row(connection, "attempts, error", file_id) == (0, "away")


@pytest.mark.parametrize(
    ("waited", "counts", "wait"),
    [
        ("0 s", False, "1 s"),
        ("40 s", False, "10 s"),
        ("1 hour", False, "30 s"),
        ("40 s", True, "10 s"),
        ("1 hour", True, "5 min"),
    ],
)
def test_a_retried_file_waits_a_quarter_of_its_age_within_limits(
    loader: Loader, connection: psycopg.Connection, waited: str, counts: bool, wait: str
) -> None:
    (file_id,) = _register(connection, A)
    with psycopg.connect(loader.url) as transaction:
        transaction.execute("UPDATE shifts_store.trip_files SET queued_at = now() - %s::interval", [waited])
        transitions.retry(transaction, [file_id], "away", counts=counts)
        # It is counted from the statement, which comes after the transaction began.
        bounds = (
            "requested_at >= now() + {0}, requested_at <= now() + {0} + (clock_timestamp() - now()) * 5/4"
        )
        assert _row(transaction, bounds.format(f"interval '{wait}'"), file_id) == (True, True)


def test_files_that_wait_for_a_retry_come_in_the_order_of_their_requests(
    connection: psycopg.Connection,
) -> None:
    files = [LandedFile(f"{n}.csv", f"file:///{n}.csv", "1", 1) for n in range(5)]
    ids = _register(connection, *files)
    for file_id in (ids[2], ids[0], ids[1]):
        transitions.request_run(connection, [file_id], f"request {file_id}")
    found = [record.file_id for record in ledger.unfinished(connection, 2)]
    assert found == [ids[2], ids[0], ids[3], ids[4]]


def test_an_outage_delays_the_queued_files_of_the_run_and_none_that_a_worker_has_begun(
    connection: psycopg.Connection,
) -> None:
    begun, waiting = _register(connection, A, B)
    transitions.request_run(connection, [begun, waiting], "request")
    transitions.begin(connection, begun, "run")
    transitions.retry(connection, [], "away", counts=False, run_request_id="request")
    assert _row(connection, "status, error, attempts", begun) == ("loading", None, 1)
    assert _row(connection, "status, error, attempts", waiting) == ("queued", "away", 0)


def test_a_run_is_not_requested_for_a_file_that_a_live_worker_is_loading(
    loader: Loader, connection: psycopg.Connection
) -> None:
    locked, free = _register(connection, A, B)
    with psycopg.connect(loader.url) as worker, locks.file_lock(worker, "a.csv"):
        transitions.begin(worker, locked, "run")
        worker.commit()
        transitions.request_run(connection, [locked, free], "request")
    assert _row(connection, "status, run_request_id", locked) == ("loading", None)
    assert _row(connection, "status, run_request_id", free) == ("queued", "request")


def test_the_lock_of_versions_keeps_others_away_and_tells_whether_the_original_is_loaded(
    loader: Loader, connection: psycopg.Connection
) -> None:
    ids = _register(connection, A, B)
    _load(connection, *ids)
    free = "SELECT file_id FROM shifts_store.trip_files ORDER BY file_id FOR UPDATE SKIP LOCKED"
    with psycopg.connect(loader.url) as worker:
        assert _lock(worker, "b.csv", ids[0])
        assert connection.execute(free).fetchall() == []
    transitions.supersede(connection, ids[:1], error=None, run_id="run")
    with psycopg.connect(loader.url) as worker:
        assert not _lock(worker, "b.csv", ids[0])
        assert _lock(worker, "b.csv", None)


def test_versions_are_locked_from_the_oldest_to_the_newest(
    loader: Loader, connection: psycopg.Connection
) -> None:
    ids = _register(connection, A, B)
    _load(connection, *ids)

    def lock() -> None:
        with psycopg.connect(loader.url) as worker:
            _lock(worker, "b.csv", ids[0])

    with psycopg.connect(loader.url) as other:
        other.execute("SELECT FROM shifts_store.trip_files WHERE file_id = %s FOR UPDATE", ids[:1])
        worker = Thread(target=lock)
        worker.start()
        wait_until(lambda: is_waiting_for_lock(loader.url))
        other.execute("SELECT FROM shifts_store.trip_files WHERE file_id = %s FOR UPDATE NOWAIT", ids[1:])
    worker.join()
