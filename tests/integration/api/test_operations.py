"""Operation of the service: readiness, metrics, logs, request ids, headers and the docs page."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.integration.api.running import Service, listening, posted, publish, trip, wait_until

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


@contextmanager
def _away(url: str, by: psycopg.Connection) -> Iterator[None]:
    """Makes a database unreachable, through a connection to another one."""
    name = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
    by.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
    by.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        [conninfo_to_dict(url)["dbname"]],
    )
    try:
        yield
    finally:
        by.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


def _ready(service: Service) -> tuple[int, object]:
    answer = httpx.get(f"{service.root}/ready")
    return answer.status_code, answer.json()


def test_an_outage_of_the_trips_database_is_reported_and_answered(
    service: Service, client: httpx.Client, outbox: psycopg.Connection
) -> None:
    assert _ready(service) == (
        200,
        {"ready": True, "database": "ok", "feed": "ok", "statistics": "ok", "writes": "ok"},
    )
    with _away(service.database_url, outbox):
        assert _ready(service) == (
            503,
            {
                "ready": False,
                "database": "not reachable (OperationalError)",
                "feed": "ok",
                "statistics": "ok",
                "writes": "ok",
            },
        )
        answer = client.get("/regions")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json() == {"message": "The database is busy or away, try again"}
        assert httpx.get(f"{service.root}/health").status_code == 200
        metrics = httpx.get(f"{service.root}/metrics")
        assert metrics.status_code == 200
        assert "shifts_http_requests_total" in metrics.text
        assert "shifts_stale_pairs" not in metrics.text
    wait_until(lambda: _ready(service)[0] == 200, 20)
    assert client.get("/regions").status_code == 200


def test_an_outage_of_the_feed_is_reported_and_reads_continue(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    with _away(service.dagster_database_url, trips_db):
        wait_until(lambda: _ready(service)[0] == 503, 20)
        assert _ready(service) == (
            503,
            {"ready": False, "database": "ok", "feed": "not connected", "statistics": "ok", "writes": "ok"},
        )
        assert service.metric("shifts_feed_connected") == 0
        assert client.get("/regions").status_code == 200
    wait_until(lambda: _ready(service)[0] == 200, 20)


def test_requests_are_counted_and_timed_by_route_and_status(service: Service, client: httpx.Client) -> None:
    def count(method: str, route: str, status: int) -> float:
        labels = f'{{method="{method}",route="{route}",status="{status}"}}'
        try:
            return service.metric(f"shifts_http_requests_total{labels}")
        except LookupError:
            return 0

    counted = [
        ("GET", "/api/v1/files/{file_id}", 404),
        ("GET", "/api/v1/files/{file_id}", 400),
        ("GET", "/api/v1/regions", 200),
        ("any", "none", 404),
    ]
    before = [count(*labels) for labels in counted]
    for path in ("/files/98765", "/files/98764", "/files/x", "/regions", "/no/such/route"):
        client.get(path)
    assert [count(*labels) for labels in counted] == [
        was + more for was, more in zip(before, (2, 1, 1, 1), strict=True)
    ]
    timed = '{method="GET",route="/api/v1/files/{file_id}"}'
    buckets = '{le="+Inf",method="GET",route="/api/v1/files/{file_id}"}'
    assert service.metric(f"shifts_http_request_seconds_count{timed}") >= 3
    assert service.metric(f"shifts_http_request_seconds_bucket{buckets}") >= 3
    assert "98765" not in httpx.get(f"{service.root}/metrics").text


def test_metrics_contain_the_ledger_and_stale_pairs(
    service: Service, client: httpx.Client, trips_db: psycopg.Connection
) -> None:
    client.post("/trips", json=posted(trip(region="Figures"), trip(region="Figures")))
    trips_db.execute("UPDATE shifts_store.region_weeks SET stale_since = now() - interval '1 hour'")
    assert service.metric('shifts_files{status="loaded"}') == 1
    assert service.metric('shifts_rows{outcome="loaded"}') == 2
    assert service.metric('shifts_rows{outcome="rejected"}') == 0
    assert service.metric("shifts_stale_pairs") == 1
    assert 3600 <= service.metric("shifts_oldest_stale_pair_seconds") < 4000


def test_metrics_contain_clients_and_delivered_events(service: Service, outbox: psycopg.Connection) -> None:
    delivered = service.metric("shifts_feed_events_delivered_total")
    with listening(service) as here, listening(service) as there:
        assert service.metric("shifts_feed_clients") == 2
        publish(outbox, "file.loaded")
        assert next(here) == next(there)
    assert service.metric("shifts_feed_events_delivered_total") == delivered + 2
    assert service.metric("shifts_feed_connected") == 1
    wait_until(lambda: service.metric("shifts_feed_clients") == 0, 10)


@pytest.mark.parametrize("given", ["order-15.2", "a" * 64])
def test_a_valid_request_id_of_the_client_is_kept(service: Service, client: httpx.Client, given: str) -> None:
    answer = client.get("/files/77", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    wait_until(lambda: given in [line.get("request_id") for line in service.log_lines], 10)
    (line,) = [line for line in service.log_lines if line.get("request_id") == given]
    assert line.pop("ms") >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "shifts_api.access",
        "message": "request",
        "request_id": given,
        "method": "GET",
        "route": "/api/v1/files/{file_id}",
        "status": 404,
        "client": "127.0.0.1",
        "outcome": "done",
    }


@pytest.mark.parametrize("given", ["", "a b", "a" * 65, "a\tb", '{"a": 1}', "../x"])
def test_an_invalid_request_id_is_replaced(client: httpx.Client, given: str) -> None:
    ids = [client.get("/regions", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in range(2)]
    assert all(re.fullmatch(r"[0-9a-f]{32}", found) for found in ids)
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/metrics", "/openapi.json", "/api/v1/regions", "/api/v1/files/x", "/none"]
)
def test_every_answer_has_security_headers(service: Service, path: str) -> None:
    headers = httpx.get(service.root + path).headers
    assert {name: headers.get(name) for name in SECURITY} == SECURITY
    assert "server" not in headers


def test_the_docs_page_loads_nothing_from_other_sites(service: Service) -> None:
    page = httpx.get(f"{service.root}/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(needed) >= 4
    for address in needed:
        assert address.startswith("/docs/")
        assert httpx.get(service.root + address).status_code == 200
    assert "<script>" not in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]


def test_an_unknown_method_is_refused_and_the_allowed_ones_are_named(client: httpx.Client) -> None:
    for path, allowed in (("/trips", "POST"), ("/files", "GET, POST"), ("/regions", "GET")):
        answer = client.delete(path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
        assert answer.json() == {"message": "Method Not Allowed"}
