"""Compressed files and Parquet files are read like CSV files."""

import gzip
import io
from datetime import datetime
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shifts_core.trips.batch import Batch
from shifts_core.trips.read_csv import read_csv
from shifts_core.trips.read_parquet import read_parquet
from shifts_core.trips.report import UnreadableFile
from tests.unit.core.trips.malicious import damaged_lines
from tests.unit.core.trips.reading import DATES, HEADER, LINE, TURIN, Read, read, together

DATA = HEADER + damaged_lines(1, 20_000, 0.1)
COLUMNS: dict[str, list[Any]] = {
    "region": ["Turin", 'the "Hub", two\nlines', "Zürich", None, "Lyon"],
    "origin_coord": ["POINT (7.67 45.01)", "POINT (1 2)", "point(3e0 4)", "POINT (1 2)", "nowhere"],
    "destination_coord": ["POINT (7.72 45.06)"] * 5,
    "datetime": [datetime(2018, 5, 28, 9, 3, 40), *[datetime(2018, 5, 28, 9, 3, 40, 125_000)] * 4],
    "datasource": ["baba_car", "", "", "", ""],
}


def unzipped(data: bytes) -> Read:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return together(read_csv(cast("BinaryIO", stream), DATES))


def test_a_compressed_file_is_read_like_its_text() -> None:
    assert unzipped(gzip.compress(DATA)) == read(DATA)


def test_a_compressed_file_may_have_several_members() -> None:
    third = len(DATA) // 3
    members = [
        gzip.compress(piece) for piece in (DATA[:third], DATA[third : 2 * third], b"", DATA[2 * third :])
    ]
    assert unzipped(b"".join(members)) == read(DATA)


@pytest.mark.parametrize("cut", [5, 1000, -9, -1])
def test_a_truncated_compressed_file_is_refused(cut: int) -> None:
    with pytest.raises(UnreadableFile, match=r"broken or cut off .*: drop the file again"):
        unzipped(gzip.compress(DATA)[:cut])


def test_a_damaged_compressed_file_is_refused() -> None:
    data = bytearray(gzip.compress(DATA))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(UnreadableFile, match="broken or cut off"):
        unzipped(bytes(data))
    with pytest.raises(UnreadableFile, match="broken or cut off"):
        unzipped(HEADER + LINE)


def parquet(table: pa.Table, **options: object) -> BinaryIO:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file


def as_csv(table: pa.Table) -> bytes:
    """What a person would write: text quoted, times in ISO form."""
    lines = [",".join(table.column_names)]
    for row in table.to_pylist():
        texts = ("" if value is None else str(value) for value in row.values())
        lines.append(",".join('"' + text.replace('"', '""') + '"' for text in texts))
    return "\n".join(lines).encode()


def plain(batches: list[Batch]) -> tuple[object, ...]:
    """Trips, and line and reason of the rejects; their text is written differently."""
    result = together(batches)
    return result.trips, [(reject.line, reject.reason) for reject in result.rejects]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_parquet_timestamps_are_read_like_csv(unit: str, dictionary: bool) -> None:
    columns = COLUMNS if unit != "s" else COLUMNS | {"datetime": COLUMNS["datetime"][:1] * 5}
    table = pa.table(columns, schema=None)
    table = table.set_column(3, "datetime", table["datetime"].cast(pa.timestamp(unit)))
    if dictionary:
        table = table.set_column(0, "region", table["region"].dictionary_encode())
    result = together(read_parquet(parquet(table), DATES))
    assert result.trips == read(as_csv(pa.table(columns))).trips
    assert result.trips[0] == TURIN
    # A row's line is its number plus 1, whatever line ends are in its text.
    assert [(reject.line, reject.reason) for reject in result.rejects] == [
        (5, "region is empty"),
        (6, "origin_coord is not a WKT point such as POINT (13.4 52.5)"),
    ]


def test_parquet_strings_are_read_like_csv() -> None:
    good = [line.split(",") for line in damaged_lines(2, 5000, 0).decode().splitlines()]
    names = HEADER.decode().strip().split(",")
    table = pa.table({name: [fields[n] for fields in good] for n, name in enumerate(names)})
    table = table.append_column("rest", pa.array([[1.5]] * len(good)))
    found = together(read_parquet(parquet(table, row_group_size=700), DATES))
    assert found.trips == read(HEADER + damaged_lines(2, 5000, 0)).trips
    assert [r.line for r in found.rejects] == [
        r.line for r in read(HEADER + damaged_lines(2, 5000, 0)).rejects
    ]


def test_parquet_columns_are_found_in_any_case_and_order() -> None:
    table = pa.table(dict(reversed([(name.upper(), values[:1]) for name, values in COLUMNS.items()])))
    assert together(read_parquet(parquet(table), DATES)) == Read([TURIN], [])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "this is not a valid Parquet file"),
        (HEADER + LINE, "this is not a valid Parquet file"),
        (parquet(pa.table(COLUMNS)).read()[:-20], "this is not a valid Parquet file"),
        (parquet(pa.table({"region": ["Turin"]})).getvalue(), "missing columns"),  # type: ignore[attr-defined]
    ],
)
def test_files_that_are_not_parquet_files_of_trips_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableFile, match=said):
        list(read_parquet(io.BytesIO(data), DATES))


def test_a_parquet_column_of_an_unsupported_type_is_named() -> None:
    table = pa.table(COLUMNS | {"region": [[1]] * 5})
    with pytest.raises(UnreadableFile, match=r"these do not: .*region: list"):
        list(read_parquet(parquet(table), DATES))
