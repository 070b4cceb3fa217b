"""The web service: posts compared with INSERTs, an upload with a plain file, many clients of the feed, shutdown."""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
import psycopg

from bench.server import machine, measured_server
from tests.integration.api.running import Service, last_id, posted, publish, running, trip, wait_until

TRIPS = 1000
MIB = 1024**2
CROWD = Path(__file__).parents[1] / "tests" / "integration" / "api" / "crowd.py"
FILE_EVENTS = ("run.queued", "run.started", "file.progress", "file.loaded", "run.succeeded")
Line = tuple[str, str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the sizes of the measurements."""
    parser.add_argument("--posts", type=int, default=40, help="of 1,000 trips each (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=2000, help="of the feed (default: %(default)s)")
    parser.add_argument(
        "--files", type=int, default=20, help="whose events they receive (default: %(default)s)"
    )
    parser.add_argument("--upload-mib", type=int, default=1024, help="(default: %(default)s)")


class _StartedService(Service):
    """The service as the platform starts it."""

    def _spawn(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "shifts_api"], env=environment, stderr=log)


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    with measured_server() as (environment, folder):
        service = _StartedService(
            environment["SHIFTS_DATABASE_URL"],
            environment["SHIFTS_DAGSTER_DATABASE_URL"].replace("+psycopg2", ""),
            folder / "landing",
            folder / "api.log",
        )
        with running(service):
            lines = [
                *_posting(service, arguments.posts),
                *_uploading(service, folder, arguments.upload_mib),
            ]
        with running(service):
            lines += _crowd(service, arguments.clients, arguments.files)
        print(f"\n### The web service\n\n{machine(service.database_url)}.\n")
    print("| what | measured | wanted |\n|---|--:|--:|")
    print("\n".join(f"| {what} | {measured} | {wanted} |" for what, measured, wanted in lines))


def _posting(service: Service, posts: int) -> Iterator[Line]:
    """Alternates with plain INSERTs of the same trips by the same driver on the same server."""
    chance = random.Random(1)
    ours, plain = [], []
    with (
        httpx.Client(base_url=service.api, timeout=60) as client,
        psycopg.connect(service.database_url) as connection,
    ):
        connection.execute("CREATE TABLE public.plain AS SELECT * FROM shifts.trips LIMIT 0")
        connection.commit()
        for _ in range(posts):
            trips = [_trip(chance) for _ in range(TRIPS)]
            body = json.dumps(posted(*trips))
            ours.append(_seconds(partial(_post, client, body)))
            plain.append(_seconds(partial(_insert, connection, trips)))
        counted = client.get("/regions").json()["regions"]
    if sum(region["trips"] for region in counted) != posts * TRIPS:
        raise RuntimeError(f"{counted} are not {posts * TRIPS} trips")
    yield f"`POST /trips` of 1,000 trips, median of {posts}", f"{median(ours) * 1000:.0f} ms", "< 150 ms"
    yield "the same, 95th percentile", f"{quantiles(ours, n=20)[-1] * 1000:.0f} ms", ""
    faster = median(plain) / median(ours)
    yield "the same trips by `INSERT` row by row", f"{median(plain) * 1000:.0f} ms, {faster:.1f} ×", ""


def _trip(chance: random.Random) -> dict[str, Any]:
    return trip(
        region=chance.choice(("Turin", "Hamburg", "Prague")),
        origin=[chance.uniform(7, 8), chance.uniform(45, 46)],
        destination=[chance.uniform(7, 8), chance.uniform(45, 46)],
        timestamp=f"2018-05-{chance.randrange(1, 29):02} {chance.randrange(24):02}:00:00",
    )


def _post(client: httpx.Client, body: str) -> None:
    client.post("/trips", content=body).raise_for_status()


def _insert(connection: psycopg.Connection, trips: list[dict[str, Any]]) -> None:
    for number, one in enumerate(trips):
        connection.execute(
            "INSERT INTO public.plain VALUES (%s, %s, ST_SetSRID(ST_MakePoint(%s, %s), 4326),"
            " ST_SetSRID(ST_MakePoint(%s, %s), 4326), %s, %s, 1)",
            [number, one["region"], *one["origin"], *one["destination"], one["timestamp"], one["source"]],
        )
    connection.commit()


def _uploading(service: Service, folder: Path, mib: int) -> Iterator[Line]:
    piece = random.Random(2).randbytes(MIB)
    before = service.memory // MIB
    with httpx.Client(base_url=service.api, timeout=600) as client:
        seconds = _seconds(
            lambda: client.post(
                "/files", params={"name": "large.csv"}, content=(piece for _ in range(mib))
            ).raise_for_status()
        )
    written = _seconds(lambda: _write(folder / "plain.csv", piece, mib))
    yield f"upload of {mib:,} MiB", f"{mib / seconds:,.0f} MiB/s", ""
    yield "the same bytes written by a program, with fsync", f"{mib / written:,.0f} MiB/s", ""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024
    yield "memory of the service before it", f"{before} MiB", ""
    yield "memory of the service at most, posts and upload", f"{peak} MiB", f"< {before + 200} MiB"


def _write(path: Path, piece: bytes, pieces: int) -> None:
    with path.open("wb") as stream:
        for _ in range(pieces):
            stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())


def _crowd(service: Service, clients: int, files: int) -> Iterator[Line]:
    """Clients in a separate process, 50 of which never read, while events of files are published."""
    events = files * len(FILE_EVENTS)
    options = {"port": service.port, "clients": clients, "stalled": 50, "events": events, "seconds": 300}
    with (
        psycopg.connect(service.dagster_database_url, autocommit=True) as outbox,
        subprocess.Popen(
            [sys.executable, CROWD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as crowd,
    ):
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        start = last_id(outbox)
        crowd.stdin.write(json.dumps(options) + "\n")
        crowd.stdin.flush()
        crowd.stdout.readline()
        for file in range(files):
            for type_ in FILE_EVENTS:
                publish(outbox, type_, task_ids=(f"t{file}",), run_id=f"r{file}", message=f"file {file}")
            time.sleep(0.1)
        record = json.loads(crowd.stdout.readline())
        memory = service.memory // MIB
    if record["received"] != [[list(range(start + 1, start + 1 + events)), clients]]:
        raise RuntimeError("not every client received each event once")
    listeners = f"{clients:,} listeners, {events} events"
    yield f"{listeners}: commit to client, median", f"{record['p50_s'] * 1000:.0f} ms", ""
    yield f"{listeners}: 95th percentile", f"{record['p95_s'] * 1000:.0f} ms", "< 250 ms"
    yield f"{listeners}: memory of the service", f"{memory} MiB", "< 400 MiB"
    wait_until(lambda: service.metric("shifts_feed_clients") == 0, 60)
    streams = [httpx.Client() for _ in range(100)]
    for stream in streams:
        stream.send(stream.build_request("GET", f"{service.api}/events"), stream=True)
    yield "shutdown with 100 open streams", f"{_seconds(service.stop):.1f} s", "< 5 s"
    for stream in streams:
        stream.close()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
