"""Which runs have a live worker process, according to the code server that started it."""

import json
import multiprocessing
from collections.abc import Set as AbstractSet
from functools import cache

import dagster as dg
import grpc
import psutil
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value


class WorkerProcesses:
    """Answers for one tick: each code server is queried once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._runs_of = cache(_runs_of)

    def has_code_server(self, run: dg.DagsterRun) -> bool:
        """Whether a code server was asked to start the run's process."""
        return GRPC_INFO_TAG in run.tags

    def may_be_alive(self, run: dg.DagsterRun) -> bool:
        """False if the code server has no live process for the run, or does not exist any more.

        A server that does not answer in time proves nothing: True. A server that refuses connections has ended, and
        its worker processes with it: False.
        """
        address = json.loads(run.tags[GRPC_INFO_TAG])
        runs = self._runs_of(run.tags[GRPC_INFO_TAG])
        if runs is None:
            return True
        return run.run_id in runs and not self._is_dead_child(run, address.get("port"))

    def _is_dead_child(self, run: dg.DagsterRun, port: int | None) -> bool:
        """Whether the run's process was a child of this process and has exited.

        The code server removes exited processes from its list in a thread, and that thread ends with its first
        failure to reach Dagster's database: from then on the list keeps them. Sensors run in the code server, which
        knows its child processes.
        """
        if not _listens_on(port):
            return False
        pid = self._pid(run)
        return pid is not None and pid not in {child.pid for child in multiprocessing.active_children()}

    def _pid(self, run: dg.DagsterRun) -> int | None:
        """The process id that the worker recorded when it started."""
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            if event is not None and "pid" in event.engine_event_data.metadata:
                return int(str(event.engine_event_data.metadata["pid"].value))
        return None


def _runs_of(grpc_info: str) -> AbstractSet[str] | None:
    """The runs that the code server at an address has processes for; None if it does not answer in time."""
    address = json.loads(grpc_info)
    client = DagsterGrpcClient(
        host=address["host"],
        port=address.get("port"),
        socket=address.get("socket"),
        use_ssl=address.get("use_ssl", False),
    )
    try:
        return set(deserialize_value(client.get_current_runs(), GetCurrentRunsResult).current_runs)
    except DagsterUserCodeUnreachableError as error:
        cause = error.__cause__
        is_gone = isinstance(cause, grpc.RpcError) and cause.code() == grpc.StatusCode.UNAVAILABLE
        return frozenset() if is_gone else None


def _listens_on(port: int | None) -> bool:
    """Whether this process listens on a port."""
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        for connection in psutil.Process().net_connections("tcp")
    )
