"""Loads one file into the tables within one transaction: reads and writes in parallel, and accounts for every row."""

import gzip
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import psycopg

from shifts_core.calendar import DateRange
from shifts_core.trips.batch import Batch
from shifts_core.trips.expansion import LimitedExpansion, max_text_bytes
from shifts_core.trips.hashing_reader import HashingReader
from shifts_core.trips.prefetch import prefetch
from shifts_core.trips.read_csv import read_csv
from shifts_core.trips.report import LoadReport, Progress, UnreadableFile
from shifts_core.trips.rules import EXPIRED
from shifts_pipeline.storage.encode_trips import TripEncoder
from shifts_pipeline.storage.write_trips import TripWriter

_BATCHES_AHEAD = 4
"""What the server writes while segments are built and no batch is read; 32 MB each."""
_COPY_BYTES = 1 << 20
_SHORTEST_TRIP_BYTES = len("r,POINT(0 0),POINT(0 0),2018-01-01 00:00:00,\n")


def load_file(
    connection: psycopg.Connection,
    *,
    side: psycopg.Connection,
    file_id: int,
    stream: BinaryIO,
    name: str,
    size: int,
    dates: DateRange,
    max_rejected_share: float,
    on_progress: Callable[[Progress], None],
) -> LoadReport:
    """Writes the file's trips and rejects in the connection's open transaction, without a commit.

    Memory is bounded, whatever the size of the file. A Parquet file is first copied to a temporary file.

    Args:
        connection: the transaction of the load.
        side: in autocommit mode; creates names, partitions and trip numbers.
        file_id: of the record in the ledger.
        stream: the file's bytes as stored.
        name: its suffix tells the file's format.
        size: bytes as stored, for the progress.
        dates: when trips may start.
        max_rejected_share: 0 to 1; a file with more rejects fails whole.
        on_progress: called after every batch, in the caller's thread.

    Raises:
        UnreadableFile: the file as a whole cannot be loaded.
        psycopg.Error: the database failed; the transaction is aborted.
    """
    begun = time.perf_counter()
    hashing = HashingReader(stream)
    writer = TripWriter(connection, file_id)
    encoder = TripEncoder(side, file_id)
    with (
        _batches(hashing, name, size, dates) as batches,
        # Writing takes about as long as reading and encoding, which run in parallel.
        prefetch(encoder.encode(batches), _BATCHES_AHEAD) as ready,
    ):
        for batch in ready:
            writer.write(batch)
            if not (batch.trips or batch.rejects):
                continue
            rows, read = writer.rows_loaded + writer.rows_rejected, hashing.bytes_read
            _raise_if_hopeless(writer, max_text_bytes(name, size), max_rejected_share)
            on_progress(Progress(rows, read, min(read / size, 1.0) if size else 0.0))
    rows = writer.rows_loaded + writer.rows_rejected
    reasons = dict(writer.rejects_by_reason.most_common())
    if rows == 0:
        raise UnreadableFile("the file holds no trips: there is nothing below its first line")
    expired = writer.rejects_by_reason[EXPIRED]
    if expired and not writer.rows_loaded:
        raise UnreadableFile(f"its {expired:,} trips are older than the weeks that are kept")
    if writer.rows_invalid > max_rejected_share * (rows - expired):
        raise _too_many_rejects(writer, rows, max_rejected_share)
    return LoadReport(
        rows_loaded=writer.rows_loaded,
        rows_rejected=writer.rows_rejected,
        content_hash=hashing.content_hash,
        weeks=tuple(encoder.week_counts()),
        segments=tuple(writer.segments.written),
        rejects_by_reason=reasons,
        reject_examples=tuple((reject.line, reject.reason, reject.raw) for reject in writer.reject_examples),
        seconds=time.perf_counter() - begun,
    )


def _raise_if_hopeless(writer: TripWriter, text_bytes: int, max_rejected_share: float) -> None:
    """Fails the file as soon as even trips alone in the rest could not lower the share enough."""
    # The least text that the rows so far have taken: a reject may be an empty line.
    used = writer.rows_rejected + _SHORTEST_TRIP_BYTES * writer.rows_loaded
    rows_at_most = (
        writer.rows_loaded + writer.rows_invalid + max(text_bytes - used, 0) // _SHORTEST_TRIP_BYTES + 1
    )
    if writer.rows_invalid > max_rejected_share * rows_at_most:
        raise _too_many_rejects(writer, writer.rows_loaded + writer.rows_rejected, max_rejected_share)


def _too_many_rejects(writer: TripWriter, rows: int, max_rejected_share: float) -> UnreadableFile:
    (reason, count) = next(each for each in writer.rejects_by_reason.most_common() if each[0] != EXPIRED)
    return UnreadableFile(
        f"{writer.rows_invalid:,} of {rows:,} rows are no trips, more than {max_rejected_share:.0%};"
        f" most often ({count:,}): {reason}; first on line {writer.first_lines[reason]}"
    )


@contextmanager
def _batches(stream: HashingReader, name: str, size: int, dates: DateRange) -> Iterator[Iterator[Batch]]:
    """The file's batches; after the last one, the whole stream has been read."""
    lowered = name.lower()
    if lowered.endswith(".csv"):
        yield read_csv(cast("BinaryIO", stream), dates)
    elif lowered.endswith(".csv.gz"):
        with gzip.GzipFile(fileobj=io.BufferedReader(stream, _COPY_BYTES)) as plain:
            limited = LimitedExpansion(cast("BinaryIO", plain), size)
            yield read_csv(cast("BinaryIO", limited), dates)
    elif lowered.endswith(".parquet"):
        # The footer is at its end, and the hash needs every byte once, in order.
        with tempfile.TemporaryFile() as seekable:
            shutil.copyfileobj(stream, seekable, _COPY_BYTES)
            # Importing pyarrow takes half a second, which runs over CSV files save.
            from shifts_core.trips.read_parquet import read_parquet  # noqa: PLC0415

            yield read_parquet(seekable, dates)
    else:
        raise UnreadableFile("its name must end in .csv, .csv.gz or .parquet")
