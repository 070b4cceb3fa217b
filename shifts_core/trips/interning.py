"""Numbers for the names of regions and sources: a growing table that compiled code fills."""

import numpy as np

from shifts_core.trips.columns import COLUMN_NAMES
from shifts_core.trips.name_table import NO_ROOM, NameTable, find_or_add
from shifts_core.trips.reject_reasons import RejectedRow, parse_name
from shifts_core.trips.report import UnreadableFile
from shifts_core.trips.rules import MAX_FIELD_BYTES

_FIRST_CAPACITY = 1 << 10
_MAX_CAPACITY = 1 << 20
_BYTES_A_NAME = 64


class InternedNames:
    """The names in one column of a file, numbered as they appear; bytes that are not a name have numbers too."""

    def __init__(self, kind: int) -> None:
        """`kind` is REGION or SOURCE."""
        self._kind = kind
        self.table = _empty_table(_FIRST_CAPACITY)
        self._known: list[str | None] = []

    def number(self, text: bytes) -> int:
        """The number of a name, added if it is new."""
        data = np.frombuffer(text + b"\0", np.uint8)
        while (number := int(find_or_add(data, 0, len(text), self.table))) == NO_ROOM:
            self.grow()
        return number

    def grow_if_full(self) -> None:
        """Makes room if the longest possible name would find none."""
        count, ends = int(self.table.used[0]), self.table.ends
        if count + 1 >= ends.size or ends[count] + MAX_FIELD_BYTES > self.table.text.size:
            self.grow()

    def grow(self) -> None:
        """Makes room for more names; numbers do not change.

        Raises:
            UnreadableFile: the column has more different names than any real file.
        """
        old = self.table
        capacity = 4 * (old.ends.size - 1)
        if capacity > _MAX_CAPACITY:
            raise UnreadableFile(
                f"column {COLUMN_NAMES[self._kind]} holds more than {old.used[0]} different names:"
                " is it the right column?"
            )
        self.table = _empty_table(capacity)
        for number in range(int(old.used[0])):
            find_or_add(old.text, int(old.ends[number]), int(old.ends[number + 1]), self.table)

    def known(self) -> list[str | None]:
        """The names by number; None for bytes that cannot be a name."""
        text, ends = self.table.text, self.table.ends
        for number in range(len(self._known), int(self.table.used[0])):
            self._known.append(self._name(text[ends[number] : ends[number + 1]].tobytes()))
        return self._known

    def _name(self, text: bytes) -> str | None:
        try:
            return parse_name(text, self._kind)
        except RejectedRow:
            return None


def _empty_table(capacity: int) -> NameTable:
    return NameTable(
        text=np.empty(max(capacity * _BYTES_A_NAME, 1 << 16), np.uint8),
        ends=np.zeros(capacity + 1, np.int64),
        slots=np.full(2 * capacity, -1, np.int32),
        used=np.zeros(1, np.int64),
    )
