"""The soak's bucket: the storage emulator behind a server that can simulate outages."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

from tests.integration.landing.emulator import BUCKET, emulator
from tests.integration.landing.service import Reply, Service, service

PREFIX = "landing"
Outage = Literal["closed", "refusing", "hanging up"]
OUTAGES: tuple[Outage, ...] = ("closed", "refusing", "hanging up")
_FORGET_EVERY_S = 5.0


class Bucket:
    """The emulator and the server in front of it, which the platform uses; the soak itself uses the emulator."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._emulator: AbstractContextManager[int] = emulator(folder)
        self._front: AbstractContextManager[Service] | None = None
        self._ended = threading.Event()
        self.emulator_port = 0
        self._service: Service | None = None
        self._forgetting = threading.Thread(target=self._forget_requests, daemon=True)

    def __enter__(self) -> "Bucket":
        self.emulator_port = self._emulator.__enter__()
        self._open(0)
        self._forgetting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._front is not None:
            self._front.__exit__(None, None, None)
        self._emulator.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The URL of the landing zone."""
        return f"gs://{BUCKET}/{PREFIX}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point the platform at this server."""
        assert self._service is not None
        return {
            "STORAGE_EMULATOR_HOST": self._service.url,
            "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        }

    @contextmanager
    def outage(self, kind: Outage) -> Iterator[None]:
        """Simulates an outage inside the block."""
        front = self._service
        assert front is not None
        # A closed server keeps its open connections: they break at their next request.
        front.outage = Reply(503 if kind == "refusing" else 0)
        if kind == "closed":
            self._close()
        try:
            yield
        finally:
            if kind == "closed":
                self._open(front.port)
            else:
                front.outage = None

    def _open(self, port: int) -> None:
        self._front = service(self.emulator_port, port)
        self._service = self._front.__enter__()

    def _close(self) -> None:
        assert self._front is not None
        self._front.__exit__(None, None, None)
        self._front = None

    def _forget_requests(self) -> None:
        """Drops the server's record of requests, which would grow without bound in a soak."""
        while not self._ended.wait(_FORGET_EVERY_S):
            if self._service is not None:
                self._service.requests.clear()
