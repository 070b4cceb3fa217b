"""What API keys cost: the same boxes asked with keys of different rights, and without any key, in turns."""

import argparse
import http.client
import sys
import time
from statistics import median, quantiles
from urllib.parse import urlencode

import psycopg

from bench.server import machine, measured_server
from bench.stats_boxes import BoxQuery, random_boxes
from bench.stats_data import load, refresh
from bench.stats_methods import read_ahead, service
from shifts_core.access.rights import Rights
from shifts_platform.keys import add_key

_SETTING = "key-of-the-setting"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--rows", type=int, default=10_000_000, help="trips (default: %(default)s)")
    parser.add_argument("--boxes", type=int, default=1_000, help="(default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Loads trips, measures and prints the table."""
    with measured_server() as (environment, folder):
        url = environment["SHIFTS_DATABASE_URL"]
        load(url, folder, arguments.rows, _say)
        refresh(url, _say)
        boxes = random_boxes(url, arguments.boxes, seed=2)
        print(f"\n### API keys, {arguments.rows:,} trips\n\n{machine(url)}.\n")
        print("| `/trips/stats`, in turns | p50 | p95 |\n|---|--:|--:|")
        keyed = environment | {"SHIFTS_API_KEY": _SETTING}
        with (
            service(environment, folder / "open.log") as open_port,
            service(keyed, folder / "keyed.log") as port,
        ):
            for each in (open_port, port):
                read_ahead(each)
            _measure(boxes, {"no key exists": (open_port, None), "key of the setting": (port, _SETTING)})
            _measure_stored(url, boxes, port)


def _measure_stored(url: str, boxes: list[BoxQuery], port: int) -> None:
    """Keys of the database: the first one closes the service without a key."""
    regions = frozenset(box.region for box in boxes)
    with psycopg.connect(url, autocommit=True) as connection:
        limited = add_key(connection, "limited", Rights("reader", regions))
        aggregates = add_key(connection, "aggregates", Rights("reader", aggregates_only=True))
    _measure(
        boxes,
        {
            "key of the setting, again": (port, _SETTING),
            "key limited to regions": (port, limited),
            "key for aggregates only": (port, aggregates),
        },
    )


def _measure(boxes: list[BoxQuery], ways: dict[str, tuple[int, str | None]]) -> None:
    """Asks each box in each way, one after the other, and prints a line for each way."""
    clients = {name: http.client.HTTPConnection("127.0.0.1", port) for name, (port, _) in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for box in [*boxes[:50], *boxes]:
        for name, (_, key) in ways.items():
            seconds[name].append(_ask(clients[name], box, key))
    for name, each in seconds.items():
        measured = each[50:]
        p95 = quantiles(measured, n=20)[-1]
        print(f"| {name} | {1000 * median(measured):.2f} ms | {1000 * p95:.2f} ms |")


def _ask(client: http.client.HTTPConnection, box: BoxQuery, key: str | None) -> float:
    corners = {"nortest": f"{box.east!r},{box.north!r}", "southest": f"{box.west!r},{box.south!r}"}
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    begun = time.perf_counter()
    client.request(
        "GET", f"/api/v1/trips/stats?{urlencode({'region': box.region, **corners})}", headers=headers
    )
    answer = client.getresponse()
    answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{answer.status} for {box}")
    return time.perf_counter() - begun


def _say(what: str) -> None:
    print(what, file=sys.stderr)
