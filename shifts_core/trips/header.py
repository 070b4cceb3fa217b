"""Parses the header of a trip file: the kind of each column, or an error that says what is missing."""

import csv

from shifts_core.trips.columns import COLUMN_NAMES, IGNORED
from shifts_core.trips.report import UnreadableFile

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_NAMED = 12
_OTHER_KINDS = (
    (b"\x1f\x8b", "is compressed with gzip: its name must end in .csv.gz"),
    (b"PK\x03\x04", "is a zip archive or a spreadsheet: save it as CSV"),
    (b"PAR1", "is a Parquet file: its name must end in .parquet"),
    (b"\xff\xfe", "is written in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "is written in UTF-16: save it as UTF-8"),
)


def column_kinds(line: bytes) -> tuple[int, ...]:
    """The kind of each column of a CSV file, see columns.py.

    Args:
        line: the header without byte order mark and line end.

    Raises:
        UnreadableFile: a column is missing or appears twice, or the line is not a header.
    """
    expected = ", ".join(COLUMN_NAMES)
    for magic, advice in _OTHER_KINDS:
        if line.startswith(magic):
            raise UnreadableFile(f"the file {advice}")
    try:
        names = [name.strip().lower() for name in next(csv.reader([line.decode()]), [])]
    except (UnicodeDecodeError, csv.Error):
        raise UnreadableFile(
            f"this is not a CSV file in UTF-8: its first line must name the columns {expected}"
        ) from None
    return kinds_of(names)


def kinds_of(names: list[str]) -> tuple[int, ...]:
    """The kind of each column by its name in lower case.

    Raises:
        UnreadableFile: a column is missing or appears twice.
    """
    missing = [name for name in COLUMN_NAMES if name not in names]
    if missing:
        shown = ", ".join(_printable(name[:40]) for name in names[:_MAX_NAMED]) + (
            ", …" if len(names) > _MAX_NAMED else ""
        )
        plural = "s" if len(missing) > 1 else ""
        raise UnreadableFile(
            f"missing column{plural} {', '.join(missing)}: the first line must name them,"
            f" and {'names only ' + shown if shown else 'is blank'}"
        )
    twice = [name for name in COLUMN_NAMES if names.count(name) > 1]
    if twice:
        raise UnreadableFile(f"column {twice[0]} appears twice: which one counts?")
    return tuple(COLUMN_NAMES.index(name) if name in COLUMN_NAMES else IGNORED for name in names)


def _printable(text: str) -> str:
    """Text of a file in a form that terminals can show and PostgreSQL can store."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
