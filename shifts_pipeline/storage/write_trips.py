"""Writes encoded batches into the tables of trips, rejects and tiles, by COPY, in the transaction of the load."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from shifts_core.trips.batch import Reject
from shifts_core.trips.rules import EXPIRED
from shifts_pipeline.storage.binary_copy import HEADER, TRAILER
from shifts_pipeline.storage.copy_format import COLUMNS
from shifts_pipeline.storage.encode_trips import EncodedBatch
from shifts_pipeline.storage.segments import SegmentWriter

MAX_STORED_REJECTS = 100_000
MAX_STORED_REJECT_BYTES = 64 << 20
"""Limits per file; rejects beyond either are counted and not stored."""
_EXAMPLES = 5
_MESSAGE_BYTES = 1 << 17
"""The server reads a message whole before it parses it: a small one is still in the processor's cache then."""


class TripWriter:
    """Writes one file's trips and rejects in the open transaction of a connection."""

    def __init__(self, connection: psycopg.Connection, file_id: int) -> None:
        self._connection, self._file_id = connection, file_id
        self.rows_loaded = 0
        self.segments = SegmentWriter(connection, file_id)
        self._stored_rejects = self._stored_bytes = 0
        self.rejects_by_reason: Counter[str] = Counter()
        self.reject_examples: list[Reject] = []
        self.first_lines: dict[str, int] = {}
        """Line of the first reject, by reason."""

    @property
    def rows_rejected(self) -> int:
        """Rejected rows so far."""
        return self.rejects_by_reason.total()

    @property
    def rows_invalid(self) -> int:
        """Rejected rows so far that are no trips; the others are of weeks that are no longer kept."""
        return self.rows_rejected - self.rejects_by_reason[EXPIRED]

    def write(self, batch: EncodedBatch) -> None:
        """Writes a batch.

        Raises:
            psycopg.Error: the database failed; the transaction is aborted.
        """
        for partition, rows in batch.trips:
            self._copy(partition, rows)
        self.segments.write(batch.segments)
        if batch.rejects:
            self._write_rejects(batch.rejects)

    def _copy(self, partition: str, rows: NDArray[np.void]) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
            sql.Identifier("shifts_store", partition), sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        )
        with self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                copy.write(HEADER)
                data = rows.view(np.uint8).data
                for begin in range(0, len(data), _MESSAGE_BYTES):
                    copy.write(data[begin : begin + _MESSAGE_BYTES])
                copy.write(TRAILER)
            if cursor.rowcount != len(rows):
                raise psycopg.DataError(f"{cursor.rowcount} rows arrived of {len(rows)}")
        self.rows_loaded += len(rows)

    def _write_rejects(self, rejects: Sequence[Reject]) -> None:
        with (
            self._connection.cursor() as cursor,
            cursor.copy("COPY shifts_store.rejected_rows (file_id, line, reason, raw) FROM STDIN") as copy,
        ):
            for reject in rejects:
                if (
                    self._stored_rejects >= MAX_STORED_REJECTS
                    or self._stored_bytes >= MAX_STORED_REJECT_BYTES
                ):
                    break
                copy.write_row((self._file_id, *reject))
                self._stored_rejects += 1
                self._stored_bytes += len(reject.raw.encode())
        self.rejects_by_reason.update(reject.reason for reject in rejects)
        for reject in rejects:
            self.first_lines.setdefault(reject.reason, reject.line)
        self.reject_examples += rejects[: _EXAMPLES - len(self.reject_examples)]
