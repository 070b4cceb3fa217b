"""Dagster's webserver behind the request guard: takes the same options as `dagster-webserver`."""

import sys
from collections.abc import Callable
from typing import Any

from dagster_webserver import cli
from starlette.types import ASGIApp

from shifts_platform.errors import PlatformError
from shifts_platform.request_guard import RequestGuard
from shifts_platform.settings import read_settings

_CREATE_APP = "create_app_from_workspace_process_context"
"""The function of the command that creates its application."""


def main() -> None:
    """Serves Dagster's UI; exits with 1 and one line if a setting is invalid."""
    try:
        hosts = read_settings().dagster_hosts
    except PlatformError as error:
        sys.exit(f"shifts: {error}")

    create_app = getattr(cli, _CREATE_APP)

    def create_guarded_app(*arguments: Any, **options: Any) -> ASGIApp:
        return RequestGuard(create_app(*arguments, **options), hosts)

    setattr(cli, _CREATE_APP, create_guarded_app)
    serve: Callable[[], None] = cli.main
    serve()


if __name__ == "__main__":
    main()
