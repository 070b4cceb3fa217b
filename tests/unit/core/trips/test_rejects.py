"""Every row that is not a trip is rejected with its line and a reason that people understand."""

import pytest

from shifts_core.trips.batch import Reject
from tests.unit.core.trips.reading import HEADER, LINE, line_with, read

NO_POINT = "is not a WKT point such as POINT (13.4 52.5)"
UNREADABLE = "datetime is unreadable: YYYY-MM-DD HH:MM:SS is expected"
IMPOSSIBLE = "datetime is impossible: there is no such day or time"
OUTSIDE = "datetime is outside the calendar, 2000-01-03 to before 2030-01-07"


def rejected(line: bytes) -> Reject:
    """The one reject of a file whose third line is this one."""
    trips, rejects = read(HEADER + LINE + line + LINE)
    assert len(trips) == 2
    (reject,) = rejects
    assert reject.line == 3
    return reject


def reason(**fields: bytes) -> str:
    reject = rejected(line_with(**fields))
    assert reject.raw == line_with(**fields).strip(b"\r\n").decode(errors="backslashreplace").replace(
        "\0", "\\x00"
    )
    return reject.reason


@pytest.mark.parametrize("column", ["origin_coord", "destination_coord"])
@pytest.mark.parametrize(
    ("point", "said"),
    [
        *(
            (p, NO_POINT)
            for p in (b"", b"7.67 45.01", b"POINT (7.67)", b"POINT (7.67 45.01", b"POINT 7.67 45.01")
        ),
        *(
            (p, NO_POINT)
            for p in (b'"POINT (7.67,45.01)"', b"POINT (7.67 45.01 3)", b"POINT (a b)", b"POINT EMPTY")
        ),
        *((p, NO_POINT) for p in (b"LINESTRING (7.67 45.01)", b"POINT (7.67 45.01))", b"POINT (1_0 45.01)")),
        (b"POINT (nan 45.01)", "is not finite"),
        (b"POINT (7.67 -Infinity)", "is not finite"),
        (b"POINT (1e999 45.01)", "is not finite"),
        (b"POINT (181 45.01)", "is out of range: longitude beyond ±180"),
        (b"POINT (-180.00000000000003 45.01)", "is out of range: longitude beyond ±180"),
        (b"POINT (120 -90.5)", "is out of range: latitude beyond ±90"),
        (b"POINT (7.67 200)", "is out of range: latitude beyond ±90"),
        (
            b"POINT (35.68 139.76)",
            "is out of range: latitude beyond ±90; longitude and latitude are probably swapped",
        ),
        (b"POINT (7.67 \xff)", "holds bytes that are not UTF-8"),
        (b"P" * 1025, "is longer than 1024 bytes"),
    ],
)
def test_an_invalid_point_is_rejected_with_its_reason(column: str, point: bytes, said: str) -> None:
    assert reason(**{column: point}) == f"{column} {said}"


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        *(
            (m, UNREADABLE)
            for m in (b"", b"noon", b"28.05.2018 09:03:40", b"2018-05-28", b"2018-05-28 09:03")
        ),
        *(
            (m, UNREADABLE)
            for m in (b"2018-05-28 09:03:40Z", b"2018-05-28 09:03:40+02:00", b"2018-5-28 09:03:40")
        ),
        *((m, UNREADABLE) for m in (b"2018-05-28 09:03:40.", b"2018-05-2809:03:40", b"1527498220")),
        *((m, IMPOSSIBLE) for m in (b"2018-02-30 09:03:40", b"2015-02-29 09:03:40", b"2018-13-01 09:03:40")),
        *((m, IMPOSSIBLE) for m in (b"2018-05-28 24:00:00", b"2018-05-28 09:60:00", b"2018-05-28 09:03:60")),
        *((m, IMPOSSIBLE) for m in (b"2018-00-01 09:03:40", b"2018-01-00 09:03:40", b"0000-01-01 00:00:00")),
        *(
            (m, OUTSIDE)
            for m in (b"2000-01-02 23:59:59.999999", b"2030-01-07 00:00:00", b"9999-12-31 23:59:59")
        ),
        (b"2018-05-28 09:03:40\xff", "datetime holds bytes that are not UTF-8"),
        (b"2018-05-28" + b" " * 1100 + b"09:03:40", "datetime is longer than 1024 bytes"),
    ],
)
def test_an_invalid_timestamp_is_rejected_with_its_reason(moment: bytes, said: str) -> None:
    assert reason(datetime=moment) == said


@pytest.mark.parametrize(
    ("region", "said"),
    [
        *((r, "region is empty") for r in (b"", b"  ", b'""', b'" "', "\u00a0".encode())),
        (b"T\xfcrin", "region holds bytes that are not UTF-8"),
        (b"\xed\xa0\x80", "region holds bytes that are not UTF-8"),
        (b"Tu\0rin", "region holds a NUL character"),
        (b"x" * 1025, "region is longer than 1024 bytes"),
    ],
)
def test_an_invalid_region_is_rejected_with_its_reason(region: bytes, said: str) -> None:
    assert reason(region=region) == said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"\xc3", "datasource holds bytes that are not UTF-8"),
        (b"a\0", "datasource holds a NUL character"),
        (b"x" * 2000, "datasource is longer than 1024 bytes"),
    ],
)
def test_an_invalid_source_is_rejected_with_its_reason(source: bytes, said: str) -> None:
    assert reason(datasource=source) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        *((b"\n", "the line is empty"), (b"\r\n", "the line is empty"), (b" \t\n", "the line is empty")),
        (b"Turin\n", "wrong number of fields: 1 instead of 5"),
        (b",,,\n", "wrong number of fields: 4 instead of 5"),
        (LINE.strip() + b",\n", "wrong number of fields: 6 instead of 5"),
        (line_with(region=b"Turin,Italy"), "wrong number of fields: 6 instead of 5"),
        (line_with(region=b'"Turin'), "a quote is opened and not closed"),
        (line_with(datasource=b'"' + b"x" * 5000 + b'"'), "a quote is opened and not closed"),
        (line_with(region=b'"Tu"rin'), "text follows a closing quote"),
        (line_with(region=b'"Turin" '), "text follows a closing quote"),
    ],
)
def test_a_line_of_another_shape_is_rejected_with_its_reason(line: bytes, said: str) -> None:
    assert rejected(line).reason == said


def test_a_record_of_several_lines_has_the_number_of_its_first_line() -> None:
    several = line_with(region=b'"a\r\nb\nc"')
    bad = line_with(region=b'"a\nb"', datetime=b"never")
    _, rejects = read(HEADER + several + bad + LINE + b"x\n" + several + b"y")
    assert [reject.line for reject in rejects] == [5, 8, 12]
    assert rejects[0].raw == bad.decode().strip()


def test_the_text_of_a_reject_is_printable_and_bounded() -> None:
    reject = rejected(b"\xff\0" + b"x" * 20_000 + b"\n")
    assert reject.raw.startswith("\\xff\\x00xxx")
    assert reject.raw.endswith("… (20002 bytes)")
    assert len(reject.raw) < 11_000


def test_invalid_names_do_not_affect_rows_with_valid_names() -> None:
    bad = line_with(region=b"\xff")
    trips, rejects = read(HEADER + (bad + LINE) * 3)
    assert len(trips) == 3
    assert [reject.line for reject in rejects] == [2, 4, 6]
