"""Any bytes: every record becomes a trip or a reject with its line, with the values of the oracle."""

import csv
from collections.abc import Iterable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shifts_core.trips import read_csv as reading_module
from shifts_core.trips.columns import REGION, SOURCE
from shifts_core.trips.header import column_kinds
from shifts_core.trips.quotes import NOT_CLOSED, SOUND
from shifts_core.trips.reference_parser import parse_record
from shifts_core.trips.reject_reasons import RejectedRow, parse_name, printable_row
from shifts_core.trips.report import UnreadableFile
from tests.unit.core.trips.malicious import damaged_lines, files
from tests.unit.core.trips.oracle import NAMES, Record, Trip, records, trip_of
from tests.unit.core.trips.reading import DATES, HEADER, Read, read

LARGEST_IGNORED = 65536
"""A closing quote is searched so far; blocks must be larger."""


def header_of(data: bytes) -> bytes:
    return data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].removesuffix(b"\r")


def names_of(data: bytes) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([header_of(data).decode()]))]


def expected_of(data: bytes, found: Iterable[Record]) -> tuple[list[Trip], list[tuple[int, str]]]:
    """Trips and rejects (line and text) of the oracle."""
    trips, rejects = [], []
    names = names_of(data)
    for record in found:
        trip = trip_of(record, names)
        if trip is None:
            rejects.append((record.line, printable_row(record.raw)))
        else:
            trips.append(trip)
    return trips, rejects


def key(trip: Trip) -> tuple[str, int, str, str]:
    # The bits, too: -0.0 == 0.0.
    return ",".join(number.hex() for number in trip.numbers), trip.micros, trip.region, trip.source


def agree(result: Read, data: bytes) -> None:
    found = records(data)
    trips, rejects = expected_of(data, found)
    # Trips that the reference parser read are in their places too.
    assert list(map(key, result.trips)) == list(map(key, trips))
    assert [(reject.line, reject.raw) for reject in result.rejects] == rejects
    assert len(result.trips) + len(result.rejects) == len(found)
    assert all(reject.reason for reject in result.rejects)


@settings(max_examples=300, deadline=None)
@given(files())
def test_malicious_files_are_read_as_the_oracle_reads_them(data: bytes) -> None:
    agree(read(data), data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | st.text(st.sampled_from('",\r\n a'), max_size=60).map(str.encode))
def test_every_record_of_random_bytes_is_accounted_for(body: bytes) -> None:
    agree(read(HEADER + body), HEADER + body)


@settings(max_examples=200, deadline=None)
@given(files())
def test_the_scanner_agrees_with_the_reference_parser(data: bytes) -> None:
    kinds = column_kinds(header_of(data))
    result = read(data)
    trips, reasons = [], []
    for record in records(data):
        # The splitter of the test does not distinguish the two errors of quotes.
        quote_error = SOUND if record.fields is not None else NOT_CLOSED
        try:
            row = parse_record(record.raw, quote_error, kinds, DATES)
        except RejectedRow as rejected:
            reasons.append((record.line, str(rejected) if quote_error == SOUND else "quote"))
            continue
        names = (parse_name(text, kind) for text, kind in ((row.region, REGION), (row.source, SOURCE)))
        trips.append(key(Trip(row.points, row.started_at, *names)))
    assert list(map(key, result.trips)) == trips
    said = [(r.line, "quote" if "quote" in r.reason else r.reason) for r in result.rejects]
    assert said == reasons


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_every_line_of_a_large_damaged_file_is_accounted_for(seed: int, share: float) -> None:
    data = HEADER + damaged_lines(seed, 5000, share)
    result = read(data)
    agree(result, data)
    assert len(result.trips) > 1000
    assert len(result.rejects) > 20


@settings(max_examples=40, deadline=None)
@given(
    files(),
    st.integers(1, 300),
    st.integers(1, 40),
    st.integers(LARGEST_IGNORED + 10_000, 2 * LARGEST_IGNORED),
)
def test_where_blocks_and_batches_end_does_not_matter(
    data: bytes, repeats: int, batch_rows: int, block_bytes: int
) -> None:
    header, newline, body = data.partition(b"\n")
    data = header + newline + body * min(repeats, 300_000 // (len(body) + 1))
    whole = read(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_module, "BATCH_ROWS", batch_rows)
        patch.setattr(reading_module, "BLOCK_BYTES", block_bytes)
        try:
            pieces = read(data)
        except UnreadableFile as error:
            # An open quote joins lines to a record that does not fit into a block.
            assume(" is longer than " not in str(error))
            raise
    assert list(map(key, pieces.trips)) == list(map(key, whole.trips))
    assert pieces.rejects == whole.rejects


@pytest.mark.parametrize("block_bytes", range(200, 300, 3))
def test_a_block_may_end_at_any_byte_of_a_record(block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    record = b'"Tu""rin,\r\n",point(7.67 1e1),"POINT ( -7.72\t45.06 )",2018-05-28T09:03:40.25,baba_car\r\n'
    data = HEADER + (record + b"bad\r\n" + record.replace(b"\r\n", b"\n")) * 9 + record.rstrip()
    whole = read(data)
    assert len(whole.trips) == 19
    assert [reject.line for reject in whole.rejects] == list(range(4, 49, 5))
    monkeypatch.setattr(reading_module, "BLOCK_BYTES", block_bytes)
    assert read(data) == whole


def test_the_oracle_knows_all_columns() -> None:
    assert set(names_of(HEADER)) == set(NAMES)
