"""Columns of a batch of a Parquet file: texts in dictionaries, timestamps as numbers; and parsing them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shifts_core.trips.interning import InternedNames
from shifts_core.trips.parse_texts import number_names, parse_points, parse_timestamps
from shifts_core.trips.rules import MAX_FIELD_BYTES

_UNIT_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NS_A_MICROSECOND = 1_000
_TIMESTAMP_BYTES = 26
_MAX_UTF8_BYTES = 4


class TextColumn:
    """A column of texts: a dictionary, and the number of each row's text."""

    def __init__(self, column: pa.Array) -> None:
        """Takes any column that can be cast to text.

        Raises:
            pyarrow.ArrowException: the column cannot be cast.
        """
        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        texts = column.dictionary
        width = np.dtype(np.int64 if pa.types.is_large_string(texts.type) else np.int32)
        # Views without copies: the dictionary of a batch holds the texts of all batches before it.
        _, offsets, data = texts.buffers()
        self._offsets = np.frombuffer(offsets or bytes(8), width)[texts.offset :][: len(texts) + 1]
        self._data = np.frombuffer(data or b"\0", np.uint8)
        self._numbers = column.indices.cast(pa.int64()).fill_null(-1).to_numpy()
        lengths = self._offsets[self._numbers + 1] - self._offsets[self._numbers] if len(texts) else 0
        self.lengths: NDArray[np.int64] = np.where(
            self._numbers < 0, 0, np.minimum(lengths, MAX_FIELD_BYTES + 1)
        )
        """(rows,): bytes of each row's text; a text that is too long counts one byte too many."""

    def field(self, row: int) -> bytes:
        """The text of a row; one that is too long is cut."""
        number = self._numbers[row]
        if number < 0:
            return b""
        begin, end = int(self._offsets[number]), int(self._offsets[number + 1])
        if end - begin <= MAX_FIELD_BYTES:
            return self._data[begin:end].tobytes()
        start = self._data[begin : min(end, begin + _MAX_UTF8_BYTES * (MAX_FIELD_BYTES + 1))].tobytes()
        return start.decode(errors="ignore")[: MAX_FIELD_BYTES + 1].encode().ljust(MAX_FIELD_BYTES + 1)

    def parse_points(self, points: NDArray[np.float64], parsed: NDArray[np.bool_]) -> None:
        """Writes longitude and latitude of each row's WKT point, (rows, 2); clears `parsed` where it is unsure."""
        parse_points(self._data, self._offsets, self._numbers, points, parsed)

    def parse_timestamps(
        self, first: int, last: int, started_at: NDArray[np.int64], parsed: NDArray[np.bool_]
    ) -> None:
        """Writes microseconds since 1970; clears `parsed` where it is unsure or outside `first` to before `last`."""
        parse_timestamps(self._data, self._offsets, self._numbers, first, last, started_at, parsed)

    def intern(self, names: InternedNames, numbers: NDArray[np.int32], parsed: NDArray[np.bool_]) -> None:
        """Writes the number of each row's name; clears `parsed` where it is too long."""
        rows, done = len(self._numbers), 0
        while True:
            done = number_names(self._data, self._offsets, self._numbers, done, names.table, numbers, parsed)
            if done == rows:
                return
            names.grow()


@dataclass(frozen=True)
class TimestampColumn:
    """A column of timestamps of a local wall clock, stored as numbers."""

    column: pa.TimestampArray

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(rows,): bytes of each row as text."""
        return np.full(len(self.column), _TIMESTAMP_BYTES)

    def field(self, row: int) -> bytes:
        """A row's timestamp as text."""
        text: str | None = self.column.slice(row, 1).cast(pa.string())[0].as_py()
        return (text or "").encode()

    def parse_timestamps(
        self, first: int, last: int, started_at: NDArray[np.int64], parsed: NDArray[np.bool_]
    ) -> None:
        """Writes microseconds since 1970, cut off; clears `parsed` outside `first` to before `last`."""
        values = self.column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
        scale = _UNIT_MICROS.get(self.column.type.unit)
        if scale is None:
            started_at[:] = values // _NS_A_MICROSECOND
            parsed &= (first <= started_at) & (started_at < last)
            return
        # Compared before the multiplication, which may overflow.
        inside = (-(-first // scale) <= values) & (values < -(-last // scale))
        started_at[:] = np.where(inside, values, 0) * scale
        parsed &= inside


def start_column(column: pa.Array) -> TextColumn | TimestampColumn:
    """The column `datetime`, of timestamps or of texts."""
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        return TimestampColumn(column)
    return TextColumn(column)


def is_supported(kind: pa.DataType) -> bool:
    """Whether columns of this type may have a text form."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(is_text or pa.types.is_null(kind) or pa.types.is_primitive(kind))
