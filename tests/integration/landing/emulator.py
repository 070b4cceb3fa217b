"""The storage emulator as a process of its own, empty or holding objects from its start."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gcp_storage_emulator.settings import STORAGE_DIR

from tests.stop_signals import with_stop_signals

BUCKET = "trips-of-the-tests"


@contextmanager
def emulator(folder: Path, objects: dict[str, int] | None = None) -> Iterator[int]:
    """The port of an emulator with one bucket; `objects` are names and sizes of what nobody will download."""
    if objects:
        _prepare(folder, objects)
    # On a disk `a` and `a/b` cannot both be; in a bucket they can.
    storage = [] if objects else ["--in-memory"]
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "--data-dir", str(folder), "start"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--quiet", *storage]
    with (folder / "emulator.log").open("ab") as log:
        process = subprocess.Popen(
            with_stop_signals([*command, *options, "--default-bucket", BUCKET]), stdout=log, stderr=log
        )
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """A port nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prepare(folder: Path, objects: dict[str, int]) -> None:
    """Uploading thousands would take minutes: the emulator writes all it knows again at each of them."""
    state = folder / STORAGE_DIR / ".meta"
    state.parent.mkdir(parents=True)
    entries = {
        name: {"name": name, "bucket": BUCKET, "generation": str(number), "size": str(size)}
        for number, (name, size) in enumerate(objects.items(), start=1)
    }
    state.write_text(json.dumps({"buckets": {BUCKET: {"name": BUCKET}}, "objects": {BUCKET: entries}}))


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while True:
        assert process.poll() is None, "the emulator ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "the emulator does not answer"
            time.sleep(0.02)
        else:
            return
