"""One evaluation of the sensor `landing_zone` on an emulated bucket with thousands of objects, none of them new."""

import argparse
import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from bench.server import machine, measured_server
from tests.integration.landing.emulator import BUCKET, emulator
from tests.integration.landing.service import service

PREFIX = "landing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument(
        "--objects", type=int, default=10_000, help="objects in the bucket (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="evaluations (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Prints the table."""
    objects = {f"{PREFIX}/{number // 100:04}/{number:06}.csv": 1000 for number in range(arguments.objects)}
    with measured_server() as (environment, folder):
        (folder / "emulator").mkdir()
        with emulator(folder / "emulator", objects) as port, service(port) as front:
            environment |= {
                "SHIFTS_LANDING_URL": f"gs://{BUCKET}/{PREFIX}",
                "STORAGE_EMULATOR_HOST": front.url,
                "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
            }
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=_evaluate, args=(environment, arguments.repeats, theirs))
            process.start()
            theirs.close()
            seconds, before, peak, said = ours.recv()
            process.join()
        print(
            f"\n### Evaluating the sensor with {arguments.objects:,} objects\n\n"
            f"{machine(environment['SHIFTS_DATABASE_URL'])}.\n"
            "\n| result | median s | worst s | additional memory | memory of the process |"
            f"\n|---|--:|--:|--:|--:|\n| {said} | {median(seconds):.2f} | {max(seconds):.2f}"
            f" | {(peak - before) / 2**20:.0f} MiB | {peak / 2**20:.0f} MiB |"
        )


def _evaluate(environment: dict[str, str], repeats: int, pipe: Connection) -> None:
    """Runs in a separate process, like a code server, in which everything was imported before."""
    os.environ.update(environment)
    import dagster as dg  # noqa: PLC0415

    from shifts_pipeline.definitions import defs  # noqa: PLC0415
    from shifts_pipeline.resources.landing import Landing  # noqa: PLC0415
    from shifts_pipeline.resources.trips_database import TripsDatabase  # noqa: PLC0415
    from shifts_pipeline.sensors.landing_zone import landing_zone  # noqa: PLC0415

    defs()
    database = TripsDatabase(url=environment["SHIFTS_DATABASE_URL"])
    landing = Landing(url=environment["SHIFTS_LANDING_URL"])

    def evaluate() -> str:
        said = landing_zone(dg.build_sensor_context(), trips_database=database, landing=landing)
        assert isinstance(said, dg.SkipReason)
        return said.skip_message or ""

    # The libraries of the client are loaded before the measurement.
    landing.zone.find("none.csv")
    before = _memory("VmRSS")
    # In the first evaluation all objects are new.
    evaluate()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        said = evaluate()
        seconds.append(time.perf_counter() - begun)
    pipe.send((seconds, before, _memory("VmHWM"), said))


def _memory(name: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024
