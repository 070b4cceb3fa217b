"""Answers requests of the Dagster UI in this process, as its webserver and daemon do."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.schema import create_schema

from shifts_platform.ports import free_port, is_listening
from tests.integration.platform.running import wait_until


class Webserver:
    """What the Dagster webserver and its daemon do with a page's request."""

    def __init__(self, process: WorkspaceProcessContext) -> None:
        self._process = process
        self._schema = create_schema()

    def ask(self, document: str, **variables: Any) -> Any:
        # `asyncio.run` would leave its handler of signals to Dagster, which keeps it.
        loop = asyncio.new_event_loop()
        try:
            context = self._process.create_request_context()
            answer = loop.run_until_complete(
                self._schema.execute_async(document, context_value=context, variables=variables)
            )
        finally:
            loop.close()
        assert not answer.errors, answer.errors
        return answer.data

    def work_on_backfills(self) -> None:
        """Launches the runs of all backfills, and ends the backfills."""
        requested = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
        while self._process.instance.get_backfills(filters=requested):
            for error in execute_backfill_iteration(self._process, logging.getLogger("backfill")):
                assert error is None, error


@contextmanager
def code_server(settings: dict[str, str]) -> Iterator[GrpcServerTarget]:
    """A code server with the definitions, for any number of webservers."""
    port = free_port()
    where = ["-h", "127.0.0.1", "-p", str(port), "-m", "shifts_pipeline.definitions"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", "api", "grpc", *where], env={**os.environ, **settings}
    )
    try:
        wait_until(lambda: process.poll() is not None or is_listening("127.0.0.1", port))
        assert process.poll() is None
        yield GrpcServerTarget(host="127.0.0.1", port=port, socket=None, location_name="shifts")
    finally:
        process.kill()
        process.wait()


@contextmanager
def webserver(instance: dg.DagsterInstance, code: GrpcServerTarget) -> Iterator[Webserver]:
    with WorkspaceProcessContext(instance, code) as process:
        yield Webserver(process)
