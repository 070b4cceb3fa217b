"""The processes of the platform besides the database: how each is started, and when it is ready."""

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from shifts_platform.parent_death import END_OF_GROUP
from shifts_platform.ports import is_listening
from shifts_platform.settings import PlatformSettings
from shifts_platform.supervisor import ChildSpec

DEFINITIONS = "shifts_pipeline.definitions"
"""The module that the code server loads."""


def code_server(environment: Mapping[str, str]) -> ChildSpec:
    """Dagster's code server, on the host and port of `SHIFTS_CODE_SERVER_HOST` and `_PORT`."""
    host, port = environment["SHIFTS_CODE_SERVER_HOST"], environment["SHIFTS_CODE_SERVER_PORT"]
    return ChildSpec(
        "code server",
        [
            *(sys.executable, "-m", "shifts_platform.code_server", "api", "grpc"),
            *("-m", DEFINITIONS, "-h", host, "-p", port),
        ],
        environment,
        lambda: is_listening(host, int(port)),
        END_OF_GROUP,
    )


def clients_of_code_server(settings: PlatformSettings, environment: Mapping[str, str]) -> list[ChildSpec]:
    """Dagster's webserver and daemon, and the web service."""
    workspace = str(Path(__file__).with_name("code_server_workspace.yaml"))
    waiting = [sys.executable, "-m", "shifts_platform.with_code_server"]
    return [
        ChildSpec(
            "webserver",
            [
                *(*waiting, "webserver", "-w", workspace),
                *("-h", "127.0.0.1", "-p", str(settings.dagster_port)),
            ],
            environment,
            lambda: _is_healthy(f"{settings.dagster_url}/server_info"),
        ),
        ChildSpec("daemon", [*waiting, "daemon", "run", "-w", workspace], environment, lambda: True),
        ChildSpec(
            "api",
            [sys.executable, "-m", "shifts_api"],
            environment,
            lambda: _is_healthy(f"{settings.api_url}/health"),
        ),
    ]


def _is_healthy(url: str) -> bool:
    try:
        # To read the certificates of the system for each request would slow down the start.
        return httpx.get(url, timeout=2, verify=False).is_success  # noqa: S501  plain HTTP on this machine
    except httpx.HTTPError:
        return False
