"""Methods of counting trips per week in a box: Shifts over HTTP, the others on tables of their own."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import duckdb
import psycopg

from bench.stats_boxes import BoxQuery

Counts = dict[str, int]
"""Trips by Monday (ISO date), without weeks that have none."""
Method = Callable[[BoxQuery], Counts]

_ORIGINAL = """
    SELECT date_trunc('week', datetime)::date::text, count(*) FROM original_trips
    WHERE region = %(region)s
      AND ST_Intersects(origin_coord, ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326))
      AND ST_Intersects(destination_coord, ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326))
    GROUP BY 1
"""
# The operator && uses the index, in single precision; then the coordinates are compared.
_PLAIN = """
    SELECT date_trunc('week', started_at)::date::text, count(*) FROM plain_trips
    WHERE region_id = %(region_id)s
      AND origin && ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326)
      AND destination && ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326)
      AND ST_X(origin) BETWEEN %(west)s AND %(east)s AND ST_Y(origin) BETWEEN %(south)s AND %(north)s
      AND ST_X(destination) BETWEEN %(west)s AND %(east)s AND ST_Y(destination) BETWEEN %(south)s AND %(north)s
    GROUP BY 1
"""
_DUCKDB = """
    SELECT week::VARCHAR, count(*) FROM trips
    WHERE region_id = $region_id AND x0 BETWEEN $west AND $east AND y0 BETWEEN $south AND $north
      AND x1 BETWEEN $west AND $east AND y1 BETWEEN $south AND $north
    GROUP BY 1
"""


@contextmanager
def service(environment: dict[str, str], log: Path) -> Iterator[int]:
    """Starts the API as a process on a free port."""
    with service_process(environment, log) as (_, port):
        yield port


@contextmanager
def service_process(environment: dict[str, str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Starts the API, waits until it is ready and returns its process and port."""
    with starting_service(environment, log) as (process, port):
        while not _is_ready(port):
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        yield process, port


@contextmanager
def starting_service(environment: dict[str, str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Starts the API and returns its process and port at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {**os.environ, **environment, "SHIFTS_API_PORT": str(port), "SHIFTS_API_HOST": "127.0.0.1"}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "shifts_api"], env=settings, stderr=output)
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def read_ahead(port: int) -> float:
    """Waits until the API's memory has not grown for a second; returns the seconds until then."""
    begun, held, since = time.perf_counter(), -1.0, time.perf_counter()
    while time.perf_counter() - since < 1:
        now = _metric(port, "shifts_tiles_held_bytes")
        if now != held:
            held, since = now, time.perf_counter()
        time.sleep(0.05)
    return since - begun


def _metric(port: int, name: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


class Client:
    """A persistent connection to the API."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, query: BoxQuery) -> Counts:
        """Requests a box and returns the series of the answer.

        Raises:
            RuntimeError: the status is not 200.
        """
        path = f"/api/v1/trips/weekly?{urlencode({'region': query.region, 'bbox': query.bbox})}"
        try:
            response = self._get(path)
        except (http.client.RemoteDisconnected, ConnectionError):
            # The API closes idle connections while slower methods run.
            self._connection.close()
            response = self._get(path)
        body = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{response.status}: {body[:200]!r}")
        return {week["monday"]: week["trips"] for week in json.loads(body)["series"]}

    def _get(self, path: str) -> http.client.HTTPResponse:
        self._connection.request("GET", path)
        return self._connection.getresponse()


def original_sql(connection: psycopg.Connection) -> Method:
    """The original service's statement, which scans the table."""
    return lambda query: _by_sql(connection, _ORIGINAL, query)


def plain_postgis(connection: psycopg.Connection) -> Method:
    """A plain PostGIS table with GiST indexes on both ends, and parallel query."""
    return lambda query: _by_sql(connection, _PLAIN, query)


def duckdb_scan(connection: duckdb.DuckDBPyConnection) -> Method:
    """A DuckDB table, on all cores."""

    def ask(query: BoxQuery) -> Counts:
        sides = {name: getattr(query, name) for name in ("region_id", "west", "south", "east", "north")}
        return dict(connection.execute(_DUCKDB, sides).fetchall())

    return ask


def _by_sql(connection: psycopg.Connection, statement: str, query: BoxQuery) -> Counts:
    return dict(connection.execute(statement, vars(query)).fetchall())
