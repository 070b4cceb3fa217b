"""The notations in which a trip is accepted."""

import pytest

from shifts_core.trips import interning as names_module
from shifts_core.trips import read_csv as reading_module
from shifts_core.trips.report import UnreadableFile
from tests.unit.core.trips.oracle import Trip
from tests.unit.core.trips.reading import HEADER, LINE, TURIN, line_with, read

SECOND = 1_000_000


def one(line: bytes, header: bytes = HEADER) -> Trip:
    """The one trip of a file of one line."""
    trips, rejects = read(header + line)
    assert rejects == []
    (trip,) = trips
    return trip


@pytest.mark.parametrize(
    "point",
    [
        *("POINT(7.67 45.01)", "point (7.67 45.01)", "Point(7.67 45.01)", "  POINT  (  7.67   45.01  )  "),
        *("POINT (7.67\t45.01)", "POINT (+7.67 45.010000000000000000000000)", "POINT (7670e-3 0.4501E2)"),
        *("POINT (0.767e+1 .4501e2)", "POINT (007.67 45.01)"),
    ],
)
@pytest.mark.parametrize("quoted", [False, True])
def test_points_are_read_in_many_notations(point: str, quoted: bool) -> None:
    field = f'"{point}"' if quoted else point
    assert one(line_with(origin_coord=field.encode())) == TURIN


@pytest.mark.parametrize(
    "number",
    [
        "7.6700000000000001",
        "0.1",
        "0.30000000000000004",
        "1e-7",
        "4.9e-324",
        "-0.0",
        "122.41941550000001",
        "12.",
    ],
)
def test_a_coordinate_keeps_every_bit(number: str) -> None:
    trip = one(line_with(origin_coord=f"POINT ({number} 45.01)".encode()))
    assert trip.numbers[0].hex() == float(number).hex()


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        *(("2018-05-28T09:03:40", 0), ("2018-05-28t09:03:40", 0), (" 2018-05-28  09:03:40 ", 0)),
        *(("2018-05-28 09:03:40.5", 500_000), ("2018-05-28 09:03:40.000001", 1)),
        *(("2018-05-28T09:03:40.1234567", 123_456), ("2018-05-28 09:03:40.9999999", 999_999)),
    ],
)
def test_timestamps_are_read_with_t_and_fractions_and_never_rounded_up(text: str, micros: int) -> None:
    assert one(line_with(datetime=text.encode())).micros == TURIN.micros + micros


@pytest.mark.parametrize(("day", "days"), [("2016-02-29", 0), ("2016-03-01", 1), ("2016-12-31", 306)])
def test_leap_years_count(day: str, days: int) -> None:
    feb_29 = 1_456_704_000 * SECOND
    assert one(line_with(datetime=f"{day} 00:00:00".encode())).micros == feb_29 + days * 86_400 * SECOND


def test_the_calendar_includes_its_first_and_last_microsecond() -> None:
    lines = [line_with(datetime=m) for m in (b"2000-01-03 00:00:00", b"2030-01-06 23:59:59.999999")]
    assert len(read(HEADER + b"".join(lines)).trips) == 2


@pytest.mark.parametrize(
    ("field", "name"),
    [
        *((b'"K\xc3\xb6ln, S\xc3\xbcd"', "Köln, Süd"), (b'"two\nlines"', "two\nlines")),
        *(
            (b'"the ""Hub"""', 'the "Hub"'),
            (b"  Turin ", "Turin"),
            (b'" Turin "', "Turin"),
            (b'5" pipe', '5" pipe'),
        ),
        *(
            ("東京".encode(), "東京"),
            (b"x" * 1024, "x" * 1024),
            (b"\\N", "\\N"),
            (b'"two\r\nlines"', "two\r\nlines"),
        ),
    ],
)
def test_names_hold_any_text_and_blanks_around_them_are_ignored(field: bytes, name: str) -> None:
    assert one(line_with(region=field)).region == name
    assert one(line_with(datasource=field)).source == name


def test_a_source_may_be_empty() -> None:
    assert one(line_with(datasource=b"")).source == ""


def test_names_that_differ_in_blanks_or_quotes_only_are_one_name() -> None:
    names = (b"Turin", b" Turin", b'"Turin"', b"Turin\t")
    result = read(HEADER + b"".join(line_with(region=name) for name in names))
    assert [trip.region for trip in result.trips] == ["Turin"] * 4


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_byte_order_marks_and_line_ends_do_not_matter(mark: bytes, end: bytes, last: bool) -> None:
    text = end.join([HEADER.strip(), LINE.strip(), LINE.strip()]) + (end if last else b"")
    result = read(mark + text)
    assert result.trips == [TURIN, TURIN]
    assert result.rejects == []


def test_columns_are_found_in_any_order_among_others() -> None:
    header = b'Remark , DATETIME,"Destination_Coord",x,datasource,ORIGIN_COORD,region,\n'
    line = (
        b'"a, ""b""\nc",2018-05-28 09:03:40,POINT (7.72 45.06),"",baba_car,POINT (7.67 45.01),Turin,'
        + b"z" * 9000
    )
    assert one(line + b"\n", header) == TURIN


def test_ignored_columns_may_share_a_name() -> None:
    assert one(LINE.strip() + b",1,2\n", HEADER.strip() + b",x,x\n") == TURIN


def test_ignored_columns_may_hold_any_bytes() -> None:
    assert one(LINE.strip() + b",\xff\xfe\0\n", HEADER.strip() + b",x\n") == TURIN


def test_a_forgotten_quote_costs_one_line() -> None:
    data = HEADER + LINE + line_with(region=b'"Turin') + LINE * 3
    result = read(data)
    assert result.trips == [TURIN] * 4
    assert [(reject.line, reject.reason) for reject in result.rejects] == [
        (3, "a quote is opened and not closed")
    ]


def test_the_table_of_names_grows() -> None:
    lines = b"".join(
        line_with(region=b"region %d" % n, datasource=b"s" * (n % 1000 + 1)) for n in range(9000)
    )
    trips = read(HEADER + lines).trips
    assert [trip.region for trip in trips] == [f"region {n}" for n in range(9000)]
    assert [len(trip.source) for trip in trips] == [n % 1000 + 1 for n in range(9000)]


def test_a_column_with_too_many_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "_MAX_CAPACITY", 1 << 12)
    lines = b"".join(line_with(region=b"region %d" % n) for n in range(5000))
    with pytest.raises(
        UnreadableFile, match="column region holds more than 4096 different names: is it the right"
    ):
        read(HEADER + lines)


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "BLOCK_BYTES", 1 << 20)
    with pytest.raises(UnreadableFile, match="line 3 is longer than 1 MiB: is this"):
        read(HEADER + LINE + b"x" * (3 << 20))
