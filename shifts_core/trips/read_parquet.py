"""Reads a Parquet file as batches, column by column, with the rules and reasons of a CSV file.

A few bytes can stand for any number of rows and any length of text. Therefore texts stay in dictionaries, and the
sizes that the file states are checked before anything is read.
"""

import io
import os
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shifts_core.calendar import DateRange
from shifts_core.trips.batch import Batch
from shifts_core.trips.build_batch import BatchBuilder
from shifts_core.trips.columns import DATETIME, DESTINATION, IGNORED, ORIGIN, REGION, SOURCE, empty_columns
from shifts_core.trips.expansion import EXPANSION, max_expanded_bytes, too_large
from shifts_core.trips.header import kinds_of
from shifts_core.trips.parquet_columns import TextColumn, is_supported, start_column
from shifts_core.trips.reject_reasons import ParsedRow, parse_fields
from shifts_core.trips.report import UnreadableFile
from shifts_core.trips.rules import to_micros

CHUNK_BYTES = 64 << 20
"""Up to so many bytes, a column of a row group may expand any number of times."""
_READ_ROWS = 1 << 17
_BATCH_TEXT_BYTES = 32 << 20
"""Of the rows of a batch, if all of them are rejects."""
_QUOTES_AND_COMMA = 3


def read_parquet(file: BinaryIO, dates: DateRange) -> Iterator[Batch]:
    """The batches of a Parquet file; the line of a row is its number plus 1, as if there were a header.

    Args:
        file: seekable.
        dates: when trips may start.

    Raises:
        UnreadableFile: the file is not a Parquet file, lacks a column, or expands too far.
        OSError: it cannot be read.
    """
    stored_bytes = file.seek(0, os.SEEK_END)
    remaining_bytes = max_expanded_bytes(stored_bytes)
    try:
        metadata = pq.ParquetFile(file).metadata
        schema = metadata.schema.to_arrow_schema()
        kinds = kinds_of([name.strip().lower() for name in schema.names])
        read = {name: kind for name, kind in zip(schema.names, kinds, strict=True) if kind != IGNORED}
        fields = [schema.field(name) for name in read]
        if not all(is_supported(field.type) for field in fields):
            raise _unsupported(fields)
        _check_sizes(metadata, set(read))
        parquet = pq.ParquetFile(file, metadata=metadata, read_dictionary=list(read), pre_buffer=False)
        builder, line = BatchBuilder(), 2
        for batch in parquet.iter_batches(_READ_ROWS, columns=list(read)):
            try:
                rows = _Rows({read[name]: batch[name] for name in batch.schema.names})
            except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
                raise _unsupported(fields) from error
            remaining_bytes -= rows.text_bytes
            if remaining_bytes < 0:
                raise too_large(stored_bytes)
            yield from rows.batches(builder, line, dates)
            line += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the fault of the disk, not of the file
        raise UnreadableFile(f"this is not a valid Parquet file: {str(error).splitlines()[0]}") from error


def _unsupported(fields: list[pa.Field]) -> UnreadableFile:
    kinds = ", ".join(f"{field.name}: {field.type}" for field in fields)
    return UnreadableFile(f"columns must contain text in UTF-8 or timestamps, these do not: {kinds}")


def _check_sizes(metadata: pq.FileMetaData, columns: set[str]) -> None:
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(row_group.num_columns):
            chunk = row_group.column(number)
            limit = max(CHUNK_BYTES, EXPANSION * chunk.total_compressed_size)
            if chunk.path_in_schema in columns and chunk.total_uncompressed_size > limit:
                raise UnreadableFile(
                    f"column {chunk.path_in_schema} expands from {chunk.total_compressed_size:,} bytes to"
                    f" {chunk.total_uncompressed_size:,} in one row group: write smaller row groups"
                )


class _Rows:
    """Consecutive rows of a file."""

    def __init__(self, columns: dict[int, pa.Array]) -> None:
        """Takes columns by their kind, in the order of the file."""
        self._starts = start_column(columns[DATETIME])
        self._texts = {kind: TextColumn(column) for kind, column in columns.items() if kind != DATETIME}
        self._fields = {kind: self._texts.get(kind, self._starts) for kind in columns}
        self._count = len(columns[DATETIME])
        self._lengths = np.full(self._count, _QUOTES_AND_COMMA * len(columns))
        for column in self._fields.values():
            self._lengths += column.lengths

    @property
    def text_bytes(self) -> int:
        """What the rows take as CSV text with every field in quotes."""
        return int(self._lengths.sum())

    def batches(self, builder: BatchBuilder, first_line: int, dates: DateRange) -> Iterator[Batch]:
        """The rows as one batch, or as several if they are long as text."""
        first = to_micros(datetime.combine(dates.first, time()))
        end = to_micros(datetime.combine(dates.end, time()))
        columns = empty_columns(self._count)
        columns.lines[:] = np.arange(first_line, first_line + self._count)
        columns.parsed[:] = True
        self._starts.parse_timestamps(first, end, columns.started_at, columns.parsed)
        for kind, pair in ((ORIGIN, slice(0, 2)), (DESTINATION, slice(2, 4))):
            self._texts[kind].parse_points(columns.points[:, pair], columns.parsed)
        self._texts[REGION].intern(builder.regions, columns.regions, columns.parsed)
        self._texts[SOURCE].intern(builder.sources, columns.sources, columns.parsed)

        def parse(row: int) -> ParsedRow:
            return parse_fields({kind: column.field(row) for kind, column in self._fields.items()}, dates)

        step = max(1, _BATCH_TEXT_BYTES // int(self._lengths.max(initial=1)))
        for begin in range(0, self._count, step):
            yield builder.build(columns, slice(begin, begin + step), parse, self._as_csv)

    def _as_csv(self, row: int) -> bytes:
        fields = (column.field(row).replace(b'"', b'""') for column in self._fields.values())
        return b",".join(b'"' + field + b'"' for field in fields)


def load_compiled() -> None:
    """Reads rows of texts, so that numba compiles the loops over columns of texts."""
    row = {
        "region": ["a"],
        "origin_coord": ["POINT (1 1)"],
        "destination_coord": ["POINT (1 1)"],
        "datetime": ["2018-01-01 00:00:00"],
        "datasource": ["a"],
    }
    file = io.BytesIO()
    # Columns of a single row have another memory layout.
    pq.write_table(pa.table({name: values * 2 for name, values in row.items()}), file)
    list(read_parquet(file, DateRange(date(2018, 1, 1), date(2019, 1, 1))))
