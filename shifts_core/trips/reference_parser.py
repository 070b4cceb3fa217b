"""Parses one record of a CSV file in plain Python: exact, slow, and the reference for the compiled scanner."""

from shifts_core.calendar import DateRange
from shifts_core.trips.columns import IGNORED
from shifts_core.trips.quotes import NOT_CLOSED, TEXT_AFTER_QUOTE
from shifts_core.trips.reject_reasons import ParsedRow, RejectedRow, parse_fields

_QUOTE_REASONS = {
    NOT_CLOSED: "a quote is opened and not closed",
    TEXT_AFTER_QUOTE: "text follows a closing quote",
}


def parse_record(raw: bytes, quote_error: int, kinds: tuple[int, ...], dates: DateRange) -> ParsedRow:
    """The trip that a record describes.

    Args:
        raw: the record without its line end.
        quote_error: the state of its quotes, see quotes.py.
        kinds: the kind of each column, see columns.py.
        dates: when trips may start.

    Raises:
        RejectedRow: the record is not a trip.
    """
    if quote_error in _QUOTE_REASONS:
        raise RejectedRow(_QUOTE_REASONS[quote_error])
    if not raw.strip():
        raise RejectedRow("the line is empty")
    fields = split_record(raw)
    if len(fields) != len(kinds):
        raise RejectedRow(f"wrong number of fields: {len(fields)} instead of {len(kinds)}")
    by_kind = {kind: field for kind, field in zip(kinds, fields, strict=True) if kind != IGNORED}
    return parse_fields(by_kind, dates)


def split_record(raw: bytes) -> list[bytes]:
    """The fields of a record whose quotes are sound; a quote counts only at the start of a field."""
    fields = []
    pos = 0
    while True:
        if raw[pos : pos + 1] == b'"':
            end = pos + 1
            while raw[end : end + 1] != b'"' or raw[end + 1 : end + 2] == b'"':
                end += 2 if raw[end : end + 1] == b'"' else 1
            fields.append(raw[pos + 1 : end].replace(b'""', b'"'))
            end += 1
        else:
            end = raw.find(b",", pos)
            end = len(raw) if end < 0 else end
            fields.append(raw[pos:end])
        if end >= len(raw):
            return fields
        pos = end + 1
