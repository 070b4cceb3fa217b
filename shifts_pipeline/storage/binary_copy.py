"""PostgreSQL's binary COPY format for rows of fixed size, as numpy structured dtypes.

Format: PostgreSQL manual, "COPY", section "Binary Format".
"""

from collections.abc import Iterator, Sequence

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_LENGTH = "_length"
_READ_BYTES = 16 << 20


def row_dtype(**columns: str | np.dtype[np.void]) -> np.dtype[np.void]:
    """The dtype of a row: for each column its length, then its value in PostgreSQL's binary form."""
    fields: list[tuple[str, str | np.dtype[np.void]]] = [("fields", ">i2")]
    for name, kind in columns.items():
        fields += [(name + _LENGTH, ">i4"), (name, kind)]
    return np.dtype(fields)


def new_rows(dtype: np.dtype[np.void], count: int) -> NDArray[np.void]:
    """Rows with lengths and uninitialised values; shape (count,)."""
    rows = np.empty(count, dtype)
    columns = [name for name in dtype.names or () if name + _LENGTH in dtype.fields]  # type: ignore[operator]
    rows["fields"] = len(columns)
    for name in columns:
        rows[name + _LENGTH] = dtype[name].itemsize
    return rows


def concatenated(parts: Sequence[NDArray[np.void]], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """The rows of at least one array of this dtype; `np.concatenate` would change their byte order."""
    return np.concatenate([rows.view(f"V{dtype.itemsize}") for rows in parts]).view(dtype)


def to_bytes(rows: NDArray[np.void]) -> bytes:
    """The rows as a complete COPY stream."""
    return HEADER + rows.tobytes() + TRAILER


def copied_rows(
    connection: psycopg.Connection, statement: sql.Composable, dtype: np.dtype[np.void]
) -> Iterator[NDArray[np.void]]:
    """Yields the rows of a COPY to the client, some hundred thousand at a time; read-only, at least one array.

    Calls libpq directly: psycopg's own loop takes five times as long per row.

    Raises:
        psycopg.Error: the server refuses or aborts.
    """
    server = connection.pgconn
    begun = server.exec_(statement.as_bytes(connection))
    if begun.status != ExecStatus.COPY_OUT:
        raise error_from_result(begun)
    size = dtype.itemsize
    held = bytearray()
    take, ahead = server.get_copy_data, len(HEADER)
    ended = False
    try:
        while not ended:
            length, data = take(0)
            ended = length <= 0
            held += data
            if ended or len(held) >= _READ_BYTES:
                count = (len(held) - ahead) // size
                yield np.frombuffer(bytes(held), dtype, count, offset=ahead)
                del held[: ahead + count * size]
                ahead = 0
    finally:
        if not ended:
            # An interrupted COPY leaves a connection that cannot be used again.
            connection.close()
    while (result := server.get_result()) is not None:
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)
