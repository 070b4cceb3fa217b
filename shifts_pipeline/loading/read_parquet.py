"""A Parquet file as batches: written out as CSV piece by piece, so that both kinds mean the same."""

import io
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from shifts_pipeline.loading.batch import Batch
from shifts_pipeline.loading.header import kinds_of
from shifts_pipeline.loading.limits import IGNORED
from shifts_pipeline.loading.read_csv import BATCH_ROWS, read_csv
from shifts_pipeline.loading.report import Calendar, UnreadableFile

_CSV = pa_csv.WriteOptions(include_header=True, quoting_style="all_valid")


def read_parquet(file: BinaryIO, calendar: Calendar) -> Iterator[Batch]:
    """The batches of a Parquet file; a row's line is its number plus 1, as if a header stood before it.

    Args:
        file: seekable.
        calendar: when trips may start.

    Raises:
        UnreadableFile: it is none, or lacks a column.
    """
    try:
        parquet = pq.ParquetFile(file)
        names = [name.strip().lower() for name in parquet.schema_arrow.names]
        kinds = kinds_of(names)
        columns = [
            name for name, kind in zip(parquet.schema_arrow.names, kinds, strict=True) if kind != IGNORED
        ]
        row = 1
        for piece in parquet.iter_batches(BATCH_ROWS // 2, columns=columns):
            yield from read_csv(_as_csv(piece), calendar, first_record=row + 1)
            row += piece.num_rows
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(f"this is no sound Parquet file: {str(error).splitlines()[0]}") from error


def _as_csv(piece: pa.RecordBatch) -> BinaryIO:
    buffer = io.BytesIO()
    try:
        pa_csv.write_csv(piece, buffer, _CSV)
    except pa.ArrowException as error:
        kinds = ", ".join(f"{field.name}: {field.type}" for field in piece.schema)
        raise UnreadableFile(f"columns must hold text in UTF-8 and times, these do not: {kinds}") from error
    buffer.seek(0)
    return buffer
