"""PostgreSQL's binary COPY format for rows of fixed size: a structured dtype is the whole of it.

Format: PostgreSQL manual, "COPY", section "Binary Format".
"""

import numpy as np
from numpy.typing import NDArray

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_LENGTH = "_length"


def row_dtype(**columns: str | np.dtype[np.void]) -> np.dtype[np.void]:
    """The dtype of a row: for each column its value in PostgreSQL's form, mostly big-endian, behind its length."""
    fields: list[tuple[str, str | np.dtype[np.void]]] = [("fields", ">i2")]
    for name, kind in columns.items():
        fields += [(name + _LENGTH, ">i4"), (name, kind)]
    return np.dtype(fields)


def new_rows(dtype: np.dtype[np.void], count: int) -> NDArray[np.void]:
    """Rows whose lengths are filled in and whose values are not; shape (count,)."""
    rows = np.empty(count, dtype)
    columns = [name for name in dtype.names or () if name + _LENGTH in dtype.fields]  # type: ignore[operator]
    rows["fields"] = len(columns)
    for name in columns:
        rows[name + _LENGTH] = dtype[name].itemsize
    return rows


def to_bytes(rows: NDArray[np.void]) -> bytes:
    """The rows as a whole COPY stream."""
    return HEADER + rows.tobytes() + TRAILER


def from_bytes(data: bytes, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """The rows of a whole COPY stream; read-only."""
    count = (len(data) - len(HEADER) - len(TRAILER)) // dtype.itemsize
    return np.frombuffer(data, dtype, count, offset=len(HEADER))
