"""A few kilobytes that expand to gigabytes are refused in bounded memory, with the reason."""

import gzip
import io
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shifts_core.trips import expansion
from shifts_core.trips.expansion import LimitedExpansion
from shifts_core.trips.read_csv import read_csv
from shifts_core.trips.read_parquet import read_parquet
from shifts_core.trips.report import UnreadableFile
from tests.unit.core.trips.reading import DATES, HEADER, LINE, read, together

ROWS = 131_072
MEBIBYTE = 1024**2
NAMES = HEADER.decode().strip().split(",")
VALUES = LINE.decode().strip().split(",")
READ = """
import resource, sys
from shifts_core.trips.read_parquet import read_parquet
from shifts_core.trips.report import UnreadableFile
from tests.unit.core.trips.reading import DATES
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before, rows, said = peak(), 0, ""
try:
    with open(sys.argv[1], "rb") as file:
        for batch in read_parquet(file, DATES):
            rows += batch.rows
except UnreadableFile as error:
    said = str(error)
print(peak() - before, rows, said, sep="|")
"""


def repeated(value: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array([0], pa.int32()).take(pa.array([0] * rows)), pa.array([value])
    )


def peak_of(path: Path) -> tuple[int, int, str]:
    """Memory in MiB that reading took, the rows that came out, and the reason for an early end."""
    result = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True, timeout=250
    )
    memory, rows, said = result.stdout.strip().split("|")
    return int(memory), int(rows), said


def test_repeated_long_texts_in_parquet_take_little_memory(tmp_path: Path) -> None:
    columns = {name: repeated(value, ROWS) for name, value in zip(NAMES, VALUES, strict=True)}
    columns["region"] = repeated("x" * 32_000, ROWS)
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 10_000
    memory, rows, _ = peak_of(path)
    assert rows == ROWS
    assert memory < 600


def test_parquet_pages_that_expand_too_far_are_not_read(tmp_path: Path) -> None:
    texts = pa.array(["x" * 100_000] * 2_000)
    path = tmp_path / "bomb.parquet"
    table = pa.table(dict.fromkeys(NAMES, texts))
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)
    assert path.stat().st_size < MEBIBYTE
    memory, rows, said = peak_of(path)
    assert rows == 0
    assert said.startswith("column ")
    assert "in one row group: write smaller row groups" in said
    assert memory < 100


def test_too_many_repeated_trips_in_parquet_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "UNLIMITED_BYTES", 20 * MEBIBYTE)
    columns = {name: repeated(value, 8 * ROWS) for name, value in zip(NAMES, VALUES, strict=True)}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    rows = 0

    def count() -> None:
        nonlocal rows
        for batch in read_parquet(file, DATES):
            rows += batch.rows

    with pytest.raises(UnreadableFile, match="expand to more than 20,971,520"):
        count()
    assert rows <= 20 * MEBIBYTE / len(LINE)


def test_a_text_that_is_too_long_is_rejected_with_its_beginning() -> None:
    values = dict(zip(NAMES, ([value] * 2 for value in VALUES), strict=True))
    values["region"] = ["Turin", "ü" * 5_000]
    file = io.BytesIO()
    pq.write_table(pa.table(values), file)
    found = together(read_parquet(file, DATES))
    assert len(found.trips) == 1
    (reject,) = found.rejects
    assert (reject.line, reject.reason) == (3, "region is longer than 1024 bytes")
    assert reject.raw.startswith('"' + "ü" * 1000)


def test_a_fault_of_the_disk_is_not_blamed_on_a_parquet_file() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(read_parquet(Broken(b"x" * 100), DATES))


def test_a_compressed_file_is_read_up_to_what_its_size_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "UNLIMITED_BYTES", MEBIBYTE)
    honest = HEADER + LINE * 1_000
    assert together(expanded(gzip.compress(honest))) == read(honest)
    bomb = gzip.compress(HEADER + LINE * 100_000)
    assert len(bomb) * expansion.EXPANSION < 100_000 * len(LINE)
    with pytest.raises(UnreadableFile, match=rf"its {len(bomb):,} bytes expand to more than"):
        together(expanded(bomb))


def expanded(data: bytes):  # type: ignore[no-untyped-def]
    plain = gzip.GzipFile(fileobj=io.BytesIO(data))
    return read_csv(cast("BinaryIO", LimitedExpansion(cast("BinaryIO", plain), len(data))), DATES)
