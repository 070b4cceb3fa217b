"""Columns of a Parquet file, parsed: texts once for each entry of their dictionary, timestamps as numbers."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shifts_core.trips.interning import InternedNames
from shifts_core.trips.parse_texts import number_names, parse_points, parse_timestamps
from shifts_core.trips.rules import MAX_FIELD_BYTES

_UNIT_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NS_A_MICROSECOND = 1_000
_TIMESTAMP_BYTES = 26


@dataclass(frozen=True)
class TextColumn:
    """A column of texts: each distinct text once, and which of them each row has."""

    data: NDArray[np.uint8]
    """All texts, one after the other."""
    offsets: NDArray[np.int64]
    """(texts + 1,): text n is data[offsets[n]:offsets[n + 1]]; the last text is empty and stands for null."""
    numbers: NDArray[np.int64]
    """(rows,): the number of each row's text."""

    @classmethod
    def from_arrow(cls, column: pa.Array) -> "TextColumn":
        """Any column that can be cast to text; texts that are too long lose their end.

        Raises:
            pyarrow.ArrowException: the column cannot be cast.
        """
        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        texts = column.dictionary
        if (pc.max(pc.binary_length(texts)).as_py() or 0) > MAX_FIELD_BYTES:
            texts = pc.utf8_slice_codeunits(texts, 0, MAX_FIELD_BYTES + 1)
        _, ends, data = texts.buffers()
        width = np.dtype(np.int64 if pa.types.is_large_string(texts.type) else np.int32)
        offsets = (
            np.frombuffer(ends, width, len(texts) + 1, texts.offset * width.itemsize)
            if len(texts)
            else np.zeros(1, width)
        )
        return cls(
            np.frombuffer(data or b"", np.uint8),
            np.append(offsets, offsets[-1]).astype(np.int64),
            column.indices.cast(pa.int64()).fill_null(len(texts)).to_numpy(),
        )

    @property
    def longest(self) -> int:
        """Bytes of the longest text."""
        return int(np.diff(self.offsets).max())

    @property
    def text_bytes(self) -> int:
        """Bytes of all rows' texts, and at least those of the dictionary."""
        return max(int(np.diff(self.offsets)[self.numbers].sum()), int(self.offsets[-1] - self.offsets[0]))

    def field(self, row: int) -> bytes | None:
        """The text of a row; None for null."""
        number = self.numbers[row]
        if number == len(self.offsets) - 2:
            return None
        return self.data[self.offsets[number] : self.offsets[number + 1]].tobytes()

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Longitude and latitude of each row's WKT point, (rows, 2), and which rows were parsed."""
        points = np.empty((len(self.offsets) - 1, 2))
        parsed = parse_points(self.data, self.offsets, points)
        return points[self.numbers], parsed[self.numbers]

    def timestamps(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Microseconds since 1970 of each row, and which were parsed and lie from `first` to before `last`."""
        micros = np.empty(len(self.offsets) - 1, np.int64)
        parsed = parse_timestamps(self.data, self.offsets, first, last, micros)
        return micros[self.numbers], parsed[self.numbers]

    def intern(self, names: InternedNames) -> NDArray[np.int32]:
        """The number of each row's name, negative if it is too long."""
        numbers = np.empty(len(self.offsets) - 1, np.int32)
        done = 0
        while (done := number_names(self.data, self.offsets, done, names.table, numbers)) < len(numbers):
            names.grow()
        return numbers[self.numbers]


@dataclass(frozen=True)
class TimestampColumn:
    """A column of timestamps of a local wall clock, stored as numbers."""

    column: pa.TimestampArray

    @property
    def longest(self) -> int:
        """Bytes of one timestamp as text."""
        return _TIMESTAMP_BYTES

    @property
    def text_bytes(self) -> int:
        """Bytes of all rows as text."""
        return _TIMESTAMP_BYTES * len(self.column)

    def field(self, row: int) -> bytes | None:
        """A row's timestamp as text; None for null."""
        text: str | None = self.column.slice(row, 1).cast(pa.string())[0].as_py()
        return None if text is None else text.encode()

    def timestamps(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Microseconds since 1970 of each row, and which rows lie from `first` to before `last`.

        Digits beyond the microsecond are cut off.
        """
        values = self.column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
        if self.column.type.unit == "ns":
            values = values // _NS_A_MICROSECOND
            return values, (first <= values) & (values < last)
        scale = _UNIT_MICROS[self.column.type.unit]
        # Compared before the multiplication, which may overflow.
        inside = (-(-first // scale) <= values) & (values < -(-last // scale))
        return np.where(inside, values, 0) * scale, inside


def starts_of(column: pa.Array) -> TextColumn | TimestampColumn:
    """The column `datetime`, of timestamps or of texts."""
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        return TimestampColumn(column)
    return TextColumn.from_arrow(column)


def is_supported(kind: pa.DataType) -> bool:
    """Whether columns of this type may have a text form."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(is_text or pa.types.is_null(kind) or pa.types.is_primitive(kind))
