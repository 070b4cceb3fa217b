"""A busy or slow database, and shutdown: clear answers instead of queues and hanging clients."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.integration.api.running import Service, listening, publish, running, wait_until

BUSY = {"message": "The database is busy or away, try again"}
SLOW = {"message": "The query took too long, ask for less"}


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with two connections for reads and short timeouts."""
    folder = tmp_path_factory.mktemp("small")
    more = {
        "SHIFTS_API_POOL_SIZE": "3",
        "SHIFTS_API_POOL_WAIT_S": "0.3",
        "SHIFTS_API_STATEMENT_TIMEOUT_S": "2",
        "SHIFTS_API_MAX_LISTENERS": "3",
    }
    with running(Service(database_url, dagster_database_url, folder, folder / "api.log", more)) as found:
        yield found


@contextmanager
def _stuck(trips_db: psycopg.Connection) -> Iterator[None]:
    """Makes requests for regions wait."""
    with trips_db.transaction():
        trips_db.execute("LOCK TABLE shifts_store.regions IN ACCESS EXCLUSIVE MODE")
        yield


def _wait_for_waiting(database_url: str, count: int) -> None:
    """Waits until this number of requests waits for the lock."""
    with psycopg.connect(database_url, autocommit=True) as observer:

        def waiting() -> bool:
            row = observer.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shifts_api'"
                " AND wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchone()
            return row == (count,)

        wait_until(waiting, 10)


def test_requests_beyond_the_pool_are_refused_and_slow_queries_cancelled(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    with ThreadPoolExecutor() as clients, _stuck(trips_db):
        stuck = [clients.submit(client.get, "/regions") for _ in range(2)]
        _wait_for_waiting(service.database_url, 2)
        beyond = [clients.submit(client.get, "/files") for _ in range(5)]
        for future in beyond:
            answer = future.result()
            assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, BUSY, "2")
        assert httpx.get(f"{service.root}/health").json() == {"status": "ok"}
        for future in stuck:
            answer = future.result()
            assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, SLOW, "30")
    assert client.get("/regions").json() == {"regions": []}


def test_clients_that_disconnect_while_waiting_leak_no_connection(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    with _stuck(trips_db):
        for _ in range(6):
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{service.api}/regions", timeout=0.1)
    wait_until(lambda: client.get("/regions").status_code == 200, 10)


def test_clients_beyond_the_limit_of_the_feed_are_refused(service: Service) -> None:
    with listening(service), listening(service), listening(service):
        answer = httpx.get(f"{service.api}/events")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert answer.json() == {"message": "Too many listeners, try again"}
        with connect(f"ws://127.0.0.1:{service.port}/api/v1/trips/live") as socket:
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=10)
            assert socket.close_code == 1013
    wait_until(lambda: service.metric("shifts_feed_clients") == 0, 10)


def test_shutdown_closes_streams_and_completes_requests(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection, outbox: psycopg.Connection
) -> None:
    live = f"ws://127.0.0.1:{service.port}/api/v1/trips/live"
    with ThreadPoolExecutor() as clients, listening(service) as events, connect(live) as socket:
        publish(outbox, "file.loaded", message="the last")
        assert next(events).data["message"] == "the last"
        with _stuck(trips_db):
            begun: Future[httpx.Response] = clients.submit(client.get, "/regions")
            _wait_for_waiting(service.database_url, 1)
            assert service.process is not None
            service.process.terminate()
            wait_until(lambda: "Shutting down" in [line["message"] for line in service.log_lines], 10)
        assert begun.result().json() == {"regions": []}
        assert list(events) == []
        assert json.loads(socket.recv(timeout=10))["type"] == "notification"
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
        service.process.wait(10)
    messages = [line["message"] for line in service.log_lines]
    assert "Application shutdown complete." in messages
    assert not any("timeout graceful shutdown exceeded" in message for message in messages)
