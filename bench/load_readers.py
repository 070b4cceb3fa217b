"""The compiled CSV scanner beside `pyarrow.csv` with compute kernels: speed, and what becomes of damaged files."""

import argparse
import io
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from shifts_core.calendar import DateRange
from shifts_core.trips.columns import COLUMN_NAMES
from shifts_core.trips.read_csv import load_compiled, read_csv
from shifts_platform.generator.csv_file import csv_blocks

_DATES = DateRange(date(2000, 1, 3), date(2030, 1, 7))
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_WKT = rf"(?i)^[ \t]*point[ \t]*\([ \t]*(?P<lon>{_NUMBER})[ \t]+(?P<lat>{_NUMBER})[ \t]*\)[ \t]*$"
_HEADER = b"region,origin_coord,destination_coord,datetime,datasource\n"
_POINTS = b"POINT (7.67 45.01),POINT (7.72 45.06)"
_LINE = b"Turin," + _POINTS + b",2018-05-28 09:03:40,baba_car\n"
_DAMAGED = {
    "a quote without its end, then 100,000 trips": b'"' + _LINE + _LINE * 100_000,
    "text after a closing quote": _LINE.replace(b"Turin", b'"Tu"rin') + _LINE,
    "a region that is not UTF-8": _LINE.replace(b"Turin", b"T\xfcrin") + _LINE,
    "a row of four fields that is not UTF-8": b"T\xfcrin," + _POINTS + b",2018-05-28 09:03:40\n" + _LINE,
    "a time with T and a fraction": _LINE.replace(b" 09:03:40", b"T09:03:40.5"),
}


class _Counts(NamedTuple):
    trips: int
    rejects: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)


def run(arguments: argparse.Namespace) -> None:
    load_compiled()
    data = b"".join(lines for _, lines in csv_blocks(arguments.rows, seed=1))
    readers: dict[str, Callable[[BinaryIO], _Counts]] = {
        "compiled scanner": _scanner,
        "pyarrow": _pyarrow,
    }
    best = dict.fromkeys(readers, float("inf"))
    # In turns, so that a slow minute of the machine does not affect one reader alone.
    for repeat in range(arguments.repeats):
        for name, read in readers.items():
            print(f"\r\x1b[K{repeat + 1} of {arguments.repeats}: {name}", end="", file=sys.stderr, flush=True)
            begun = time.process_time()
            counts = read(io.BytesIO(data))
            best[name] = min(best[name], time.process_time() - begun)
            if counts != (arguments.rows, 0):
                raise RuntimeError(f"{name}: {counts}")
    print(f"\n### Reading {arguments.rows:,} trips of CSV text\n\n| reader | CPU seconds |\n|---|--:|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds:.2f} |")
    print("\n| damaged file | compiled scanner | pyarrow |\n|---|---|---|")
    for name, lines in _DAMAGED.items():
        print(f"| {name} | {_said(_scanner, lines)} | {_said(_pyarrow, lines)} |")


def _said(read: Callable[[BinaryIO], _Counts], lines: bytes) -> str:
    try:
        counts = read(io.BytesIO(_HEADER + lines))
    except pa.ArrowException as error:
        return f"fails: {str(error).splitlines()[0][:60]}"
    return f"{counts.trips:,} trips, {counts.rejects:,} rejects"


def _scanner(stream: BinaryIO) -> _Counts:
    batches = [(len(batch.started_at), len(batch.rejects)) for batch in read_csv(stream, _DATES)]
    return _Counts(sum(trips for trips, _ in batches), sum(rejects for _, rejects in batches))


def _pyarrow(stream: BinaryIO) -> _Counts:
    skipped = 0

    def skip(_: pa_csv.InvalidRow) -> str:
        nonlocal skipped
        skipped += 1
        return "skip"

    reader = pa_csv.open_csv(
        stream,
        pa_csv.ReadOptions(use_threads=False, block_size=16 << 20),
        pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=skip),
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(COLUMN_NAMES, pa.string()),
            include_columns=list(COLUMN_NAMES),
            check_utf8=False,
        ),
    )
    trips = rows = 0
    for batch in reader:
        started_at = pc.strptime(batch["datetime"], "%Y-%m-%d %H:%M:%S", "us", error_is_null=True)
        good = started_at.is_valid()
        for name in ("origin_coord", "destination_coord"):
            numbers = pc.extract_regex(batch[name], _WKT)
            for field, limit in (("lon", 180.0), ("lat", 90.0)):
                number = pc.cast(pc.struct_field(numbers, field), pa.float64())
                good = pc.and_(good, pc.less_equal(pc.abs(number), limit).fill_null(False))
        for name in ("region", "datasource"):
            batch[name].dictionary_encode()
        rows += batch.num_rows
        trips += pc.sum(good).as_py()
    return _Counts(trips, rows - trips + skipped)
