"""Reads a CSV file as batches: the compiled scanner first, the reference parser for the records that it leaves."""

import io
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from gzip import BadGzipFile
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shifts_core.calendar import DateRange
from shifts_core.trips.batch import Batch
from shifts_core.trips.build_batch import BatchBuilder
from shifts_core.trips.columns import TripColumns, empty_columns
from shifts_core.trips.header import BYTE_ORDER_MARK, column_kinds
from shifts_core.trips.reference_parser import parse_record
from shifts_core.trips.reject_reasons import ParsedRow
from shifts_core.trips.report import UnreadableFile
from shifts_core.trips.rules import to_micros
from shifts_core.trips.scan import Records, empty_records, scan

BLOCK_BYTES = 16 << 20
"""Read at once; no record can be longer."""
BATCH_ROWS = 1 << 18
_FIRST_BYTES = 1 << 20
"""The first block is small, because the database waits for it."""
_MAX_HEADER_BYTES = 1 << 16
_DECOMPRESSION_ERRORS = (EOFError, BadGzipFile, zlib.error)


def read_csv(stream: BinaryIO, dates: DateRange) -> Iterator[Batch]:
    """The batches of a CSV file.

    Args:
        stream: the decompressed bytes.
        dates: when trips may start.

    Raises:
        UnreadableFile: the stream is not a CSV file, or lacks a column.
    """
    blocks = _Blocks(stream)
    kinds = column_kinds(blocks.read_header())
    yield from _Reader(kinds, dates).batches(blocks)


def load_compiled() -> None:
    """Reads one line, so that the compiled code is in memory when the first file comes: this takes half a second."""
    line = b"a,POINT (1 1),POINT (1 1),2018-01-01 00:00:00,a\n"
    header = b"region,origin_coord,destination_coord,datetime,datasource\n"
    list(read_csv(io.BytesIO(header + line), DateRange(date(2018, 1, 1), date(2019, 1, 1))))


class _Blocks:
    """A buffer over the bytes of a stream; `fill` keeps the bytes that are not used yet."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        # The zero after the bytes stops every compiled loop; the scanner looks ahead by less than the margin.
        self.data = np.zeros(BLOCK_BYTES + 64, np.uint8)
        self.begin = self.end = 0
        self.final = False

    def fill(self, limit: int | None = None) -> None:
        """Moves the unused bytes to the front and reads until the buffer is full or the stream ends.

        Args:
            limit: stop at so many bytes.
        """
        limit = min(limit or BLOCK_BYTES, BLOCK_BYTES)
        left = self.end - self.begin
        self.data[:left] = self.data[self.begin : self.end].copy()
        self.begin, self.end = 0, left
        view = self.data.data
        while self.end < limit and not self.final:
            try:
                count = self._stream.readinto(view[self.end : limit])  # type: ignore[attr-defined]
            except _DECOMPRESSION_ERRORS as error:
                raise UnreadableFile(
                    f"the compressed data is broken or cut off ({error}): drop the file again"
                ) from error
            self.end += count
            self.final = count == 0
        self.data[self.end : self.end + 64] = 0

    def read_header(self) -> bytes:
        """The first line without its end."""
        self.fill(_FIRST_BYTES)
        first = self.data[: min(self.end, _MAX_HEADER_BYTES)].tobytes()
        if not first:
            raise UnreadableFile("the file is empty")
        line, newline, _ = first.partition(b"\n")
        if not newline and self.end > _MAX_HEADER_BYTES:
            line = line[:_MAX_HEADER_BYTES]
        self.begin = min(len(line) + len(newline), self.end)
        return line.removeprefix(BYTE_ORDER_MARK).removesuffix(b"\r")


class _Reader:
    """Reads the blocks of one file whose columns are known."""

    def __init__(self, kinds: tuple[int, ...], dates: DateRange) -> None:
        self._kinds, self._dates = kinds, dates
        self._kinds_array = np.array(kinds, np.int64)
        self._first = to_micros(datetime.combine(dates.first, time()))
        self._end = to_micros(datetime.combine(dates.end, time()))
        self._builder = BatchBuilder()

    def batches(self, blocks: _Blocks) -> Iterator[Batch]:
        line = 2
        regions, sources = self._builder.regions, self._builder.sources
        while blocks.begin < blocks.end or not blocks.final:
            columns, records = empty_columns(BATCH_ROWS), empty_records(BATCH_ROWS)
            count, pos, line, names_full = scan(
                blocks.data,
                blocks.begin,
                blocks.end,
                blocks.final,
                line,
                self._kinds_array,
                self._first,
                self._end,
                regions.table,
                sources.table,
                columns,
                records,
            )
            if count:
                yield self._batch(columns, count, records, blocks.data)
            blocks.begin = pos
            if names_full:
                regions.grow_if_full()
                sources.grow_if_full()
            elif count < BATCH_ROWS:
                if count == 0 and pos == 0 and blocks.end == BLOCK_BYTES:
                    raise UnreadableFile(
                        f"line {line} is longer than {BLOCK_BYTES >> 20} MiB: is this a CSV file?"
                    )
                if blocks.final:
                    return
                blocks.fill()

    def _batch(self, columns: TripColumns, count: int, records: Records, data: NDArray[np.uint8]) -> Batch:
        def raw(index: int) -> bytes:
            return data[records.begins[index] : records.ends[index]].tobytes()

        def parse(index: int) -> ParsedRow:
            return parse_record(raw(index), int(records.quote_errors[index]), self._kinds, self._dates)

        return self._builder.build(columns, slice(0, count), parse, raw)
