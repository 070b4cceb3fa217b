"""A Parquet file as batches: written out as CSV piece by piece, so that both kinds mean the same.

Few bytes can stand for any number of rows and any length of text. So texts are kept as dictionaries until a piece is
small enough to be written out, and what the file says of its own sizes is checked before anything is read.
"""

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from shifts_core.calendar import DateRange
from shifts_core.trips.batch import Batch
from shifts_core.trips.expansion import EXPANSION, max_expanded_bytes, too_large
from shifts_core.trips.header import kinds_of
from shifts_core.trips.limits import IGNORED, MAX_FIELD_BYTES
from shifts_core.trips.read_csv import BATCH_ROWS, read_csv
from shifts_core.trips.report import UnreadableFile

PIECE_BYTES = 32 << 20
"""Of CSV text that is made at once."""
CHUNK_BYTES = 64 << 20
"""Up to so much, a column of a row group may expand any number of times."""
_OTHER_VALUE_BYTES = 64
"""What a value that is no text takes at most."""
_CSV = pa_csv.WriteOptions(include_header=True, quoting_style="all_valid")


def read_parquet(file: BinaryIO, dates: DateRange) -> Iterator[Batch]:
    """The batches of a Parquet file; a row's line is its number plus 1, as if a header stood before it.

    Args:
        file: seekable.
        dates: when trips may start.

    Raises:
        UnreadableFile: it is none, lacks a column, or expands beyond all measure.
        OSError: it cannot be read.
    """
    stored_bytes = file.seek(0, os.SEEK_END)
    left = max_expanded_bytes(stored_bytes)
    try:
        metadata = pq.ParquetFile(file).metadata
        schema = metadata.schema.to_arrow_schema()
        kinds = kinds_of([name.strip().lower() for name in schema.names])
        columns = [name for name, kind in zip(schema.names, kinds, strict=True) if kind != IGNORED]
        _check_types([schema.field(name) for name in columns])
        _check_sizes(metadata, set(columns))
        parquet = pq.ParquetFile(file, metadata=metadata, read_dictionary=columns, pre_buffer=False)
        row = 1
        for batch in parquet.iter_batches(BATCH_ROWS // 2, columns=columns):
            for piece in _pieces(batch):
                text = _as_csv(piece)
                left -= text.getbuffer().nbytes
                if left < 0:
                    raise too_large(stored_bytes)
                yield from read_csv(text, dates, first_record=row + 1)
                row += piece.num_rows
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault and not the file's
        raise UnreadableFile(f"this is no sound Parquet file: {str(error).splitlines()[0]}") from error


def _check_types(fields: list[pa.Field]) -> None:
    if not all(_is_text(field.type) or pa.types.is_primitive(field.type) for field in fields):
        raise _not_text(fields)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _not_text(fields: list[pa.Field]) -> UnreadableFile:
    kinds = ", ".join(f"{field.name}: {field.type}" for field in fields)
    return UnreadableFile(f"columns must hold text in UTF-8 and times, these do not: {kinds}")


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


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows in pieces that are small as text; no value is longer than what is refused as too long."""
    columns = [_shortened(column) for column in batch.columns]
    rows = max(1, PIECE_BYTES // sum(map(_longest, columns)))
    short = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    for first in range(0, batch.num_rows, rows):
        piece = short.slice(first, rows)
        yield pa.RecordBatch.from_arrays(
            [
                column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
                for column in piece.columns
            ],
            names=piece.schema.names,
        )


def _shortened(column: pa.Array) -> pa.Array:
    if not pa.types.is_dictionary(column.type) or _longest(column) <= MAX_FIELD_BYTES:
        return column
    texts = pc.utf8_slice_codeunits(column.dictionary, 0, MAX_FIELD_BYTES + 1)
    return pa.DictionaryArray.from_arrays(column.indices, texts)


def _longest(column: pa.Array) -> int:
    if not pa.types.is_dictionary(column.type):
        return _OTHER_VALUE_BYTES
    return pc.max(pc.binary_length(column.dictionary)).as_py() or 1


def _as_csv(piece: pa.RecordBatch) -> io.BytesIO:
    buffer = io.BytesIO()
    try:
        pa_csv.write_csv(piece, buffer, _CSV)
    except pa.ArrowException as error:
        raise _not_text(list(piece.schema)) from error
    buffer.seek(0)
    return buffer
