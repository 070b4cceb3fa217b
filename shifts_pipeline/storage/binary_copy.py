"""PostgreSQL's binary COPY format for rows of fixed size, and rows that end in an array, as numpy structured dtypes.

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
NULL = b"\xff\xff\xff\xff"
"""The length of a null value."""

BIGINT_ARRAY = np.dtype(
    [("dimensions", ">i4"), ("has_nulls", ">i4"), ("element_type", ">i4"), ("size", ">i4"), ("first", ">i4")]
)
"""The header of a value of type bigint[] that is not empty; its elements follow."""

_ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])
_BIGINT_OID = 20
_ROWS_A_CHUNK = 50_000
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


def bigint_array(values: NDArray[np.int64]) -> bytes:
    """A value of type bigint[] with its length; `values` has shape (n,), n > 0."""
    elements = _elements(values)
    header = np.array((1, 0, _BIGINT_OID, len(values), 1), BIGINT_ARRAY).tobytes()
    return (len(header) + elements.nbytes).to_bytes(4, "big") + header + elements.tobytes()


def _elements(values: NDArray[np.int64]) -> NDArray[np.void]:
    elements = np.empty(len(values), _ELEMENT)
    elements["length"], elements["value"] = _ELEMENT["value"].itemsize, values
    return elements


def with_arrays(
    rows: NDArray[np.void], name: str, values: NDArray[np.int64], bounds: NDArray[np.int64]
) -> Iterator[bytes]:
    """Yields a complete COPY stream of rows whose last column is a bigint[], in pieces of some megabytes.

    Args:
        rows: shape (k,); the value of the last column is of dtype `BIGINT_ARRAY`, and is set here.
        name: of the last column.
        values: shape (m,): elements of all arrays, one array after the other.
        bounds: shape (k + 1,): row i has values[bounds[i]:bounds[i + 1]], at least one.
    """
    sizes = np.diff(bounds)
    rows[name + _LENGTH] = BIGINT_ARRAY.itemsize + sizes * _ELEMENT.itemsize
    header = rows[name]
    header["dimensions"], header["has_nulls"], header["element_type"], header["first"] = 1, 0, _BIGINT_OID, 1
    header["size"] = sizes
    yield HEADER
    width = rows.dtype.itemsize
    for begin in range(0, len(rows), _ROWS_A_CHUNK):
        chunk = bounds[begin : begin + _ROWS_A_CHUNK + 1]
        fixed = memoryview(rows[begin : begin + _ROWS_A_CHUNK].tobytes())
        varying = memoryview(_elements(values[chunk[0] : chunk[-1]]).tobytes())
        ends = ((chunk - chunk[0]) * _ELEMENT.itemsize).tolist()
        pieces: list[memoryview] = []
        for row in range(len(ends) - 1):
            pieces.append(fixed[row * width : (row + 1) * width])
            pieces.append(varying[ends[row] : ends[row + 1]])
        yield b"".join(pieces)
    yield TRAILER


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
