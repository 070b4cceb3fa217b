"""Dagster's real webserver behind the guard: attacks by web pages change nothing, and its UI works."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from shifts_platform.ports import free_port
from tests.integration.platform.running import answers, wait_until
from tests.stop_signals import with_stop_signals

HOST = "dagster.example.org"
MUTATION = 'mutation { setConcurrencyLimit(concurrencyKey: "attacked", limit: 3) }'
LIMITS = "{ instance { concurrencyLimits { concurrencyKey slotCount } } }"
SUBSCRIPTION = 'subscription { pipelineRunLogs(runId: "unknown") { __typename } }'
FOREIGN = "http://evil.example"


@dataclass
class Webserver:
    """A running webserver, and requests as its own page sends them."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, query: str, **headers: str) -> httpx.Response:
        own = {"Origin": self.url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        return httpx.post(
            f"{self.url}/graphql", json={"query": query}, headers={**own, **headers}, timeout=30
        )

    def limits(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.post(LIMITS).json()["data"]["instance"]["concurrencyLimits"]
        return found

    def subscribe(self, origin: str | None) -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}/graphql",
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol("graphql-ws")],
        )


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webserver]:
    found = Webserver(free_port())
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    command = [sys.executable, "-m", "shifts_platform.dagster_webserver", "--empty-workspace"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            with_stop_signals([*command, "-h", "127.0.0.1", "-p", str(found.port)]),
            env={**os.environ, "DAGSTER_HOME": str(home), "SHIFTS_DAGSTER_HOSTS": HOST},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: process.poll() is not None or answers(f"{found.url}/server_info"))
        assert process.poll() is None, (home / "log").read_text()
        yield found
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param({"method": "GET", "params": {"query": MUTATION}}, 405, id="GET"),
        pytest.param({"method": "GET", "params": {"query": LIMITS}}, 405, id="GET of a query"),
        pytest.param(
            {"content": json.dumps({"query": MUTATION}), "headers": {"Content-Type": "text/plain"}},
            415,
            id="text/plain",
        ),
        pytest.param(
            {
                "content": json.dumps({"query": MUTATION}),
                "headers": {"Content-Type": "text/plain; application/json"},
            },
            415,
            id="text/plain that looks like JSON",
        ),
        pytest.param({"data": {"query": MUTATION}, "params": {"query": MUTATION}}, 415, id="form"),
        pytest.param({"params": {"query": MUTATION}}, 415, id="POST without a body"),
        pytest.param({"json": {"query": MUTATION}, "headers": {"Host": "evil.example"}}, 421, id="Host"),
        pytest.param({"json": {"query": MUTATION}, "headers": {"Origin": FOREIGN}}, 403, id="Origin"),
        pytest.param({"json": {"query": MUTATION}, "headers": {"Origin": "null"}}, 403, id="Origin null"),
        pytest.param(
            {"json": {"query": MUTATION}, "headers": {"Sec-Fetch-Site": "same-site"}}, 403, id="other port"
        ),
        pytest.param({"method": "OPTIONS", "headers": {"Origin": FOREIGN}}, 405, id="preflight"),
    ],
)
def test_a_request_of_another_site_is_refused_and_changes_nothing(
    webserver: Webserver, request_: dict[str, Any], status: int
) -> None:
    answer = httpx.request(url=f"{webserver.url}/graphql", **{"method": "POST", **request_})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.count("\n") == 1
    assert "attacked" not in {limit["concurrencyKey"] for limit in webserver.limits()}


def test_a_browser_gets_graphiql_but_executes_nothing_by_get(webserver: Webserver) -> None:
    answer = httpx.get(
        f"{webserver.url}/graphql", params={"query": MUTATION}, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 200
    assert "graphiql" in answer.text
    assert "attacked" not in {limit["concurrencyKey"] for limit in webserver.limits()}


@pytest.mark.parametrize("kind", ["materialization", "check", "observation"])
def test_other_sites_cannot_report_assets(webserver: Webserver, kind: str) -> None:
    url = f"{webserver.url}/report_asset_{kind}/raw_trips?passed=true&check_name=c"
    assert httpx.post(url).status_code == 415
    assert httpx.post(url, json={}, headers={"Origin": FOREIGN}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "evil.example"}, 421), ({"Origin": FOREIGN}, 403)],
    ids=["Host", "Origin"],
)
def test_other_sites_cannot_read_pages_and_files(
    webserver: Webserver, headers: dict[str, str], status: int
) -> None:
    for path in ("/", "/server_info", "/download_debug/x", "/logs/x/y/1.err", "/notebook"):
        assert httpx.get(f"{webserver.url}{path}", headers=headers).status_code == status


@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://127.0.0.1:1"])
def test_a_websocket_of_another_site_is_refused_at_its_handshake(webserver: Webserver, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, webserver.subscribe(origin):
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_under_another_host_is_refused_at_its_handshake(webserver: Webserver) -> None:
    rebound = socket.create_connection(("127.0.0.1", webserver.port))
    with pytest.raises(InvalidStatus) as refused, connect("ws://evil.example/graphql", sock=rebound):
        pass
    assert refused.value.response.status_code == 421


def test_the_own_page_may_query_mutate_and_subscribe(webserver: Webserver) -> None:
    mutation = MUTATION.replace("attacked", "wanted")
    assert webserver.post(mutation).json() == {"data": {"setConcurrencyLimit": True}}
    assert {"concurrencyKey": "wanted", "slotCount": 3} in webserver.limits()
    with webserver.subscribe(webserver.url) as channel:
        channel.send(json.dumps({"type": "connection_init", "payload": {}}))
        assert json.loads(channel.recv(10)) == {"type": "connection_ack"}
        channel.send(json.dumps({"type": "start", "id": "1", "payload": {"query": SUBSCRIPTION}}))
        assert json.loads(channel.recv(10)) == {
            "type": "data",
            "id": "1",
            "payload": {"data": {"pipelineRunLogs": {"__typename": "PipelineRunLogsSubscriptionFailure"}}},
        }


def test_programs_without_a_browser_need_no_origin(webserver: Webserver) -> None:
    answer = httpx.post(f"{webserver.url}/graphql", json={"query": LIMITS})
    assert answer.status_code == 200
    with webserver.subscribe(None):
        pass


def test_a_configured_host_is_served_behind_a_proxy(webserver: Webserver) -> None:
    headers = {"Host": HOST, "Origin": f"https://{HOST}"}
    assert webserver.post(LIMITS, **headers).status_code == 200
    assert webserver.post(LIMITS, **{**headers, "Origin": webserver.url}).status_code == 403


def test_the_page_loads_and_may_not_be_framed_by_others(webserver: Webserver) -> None:
    answer = httpx.get(webserver.url)
    assert answer.status_code == 200
    assert "<html" in answer.text
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "Content-Security-Policy" in answer.headers


def test_an_invalid_host_name_stops_the_start_with_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shifts_platform.dagster_webserver", "--empty-workspace"],
        env={**os.environ, "SHIFTS_DAGSTER_HOSTS": "https://dagster.example.org"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("shifts: SHIFTS_DAGSTER_HOSTS: ")
    assert done.stderr.count("\n") == 1
