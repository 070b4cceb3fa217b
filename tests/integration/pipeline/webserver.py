"""Answers requests of the Dagster UI in this process, as its webserver and daemon do."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.schema import create_schema


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
def webserver(instance: dg.DagsterInstance) -> Iterator[Webserver]:
    target = ModuleTarget(
        module_name="shifts_pipeline.definitions",
        attribute=None,
        working_directory=None,
        location_name="shifts",
    )
    with WorkspaceProcessContext(instance, target) as process:
        yield Webserver(process)
