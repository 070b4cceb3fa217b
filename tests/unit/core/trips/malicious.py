"""Malicious files: valid lines in all notations, lines damaged in many ways, and random bytes."""

import random

from hypothesis import strategies as st

BLANKS = st.sampled_from(["", "", "", " ", "\t", "  "])
LONGITUDES = [
    "7.67",
    "-45.5",
    "0",
    "-0.0",
    "1e1",
    "1.5E-3",
    "+3.25",
    ".5",
    "12.",
    "179.99999999999997",
    "180",
]
LATITUDES = [
    "-90.0",
    "90",
    "45.06",
    "0.1234567890123456789012345",
    "1e-400",
    "45.5e0",
    "-0",
    "89.99999999999999",
]
NOT_NUMBERS = [
    *(
        "90.00000000000001",
        "139.7",
        "181",
        "nan",
        "inf",
        "-Infinity",
        "1_0",
        "0x10",
        "",
        "-",
        "north",
        "1e400",
    ),
    *("٣", "5e", "1,5", "1 2"),
]
GOOD_TIMESTAMPS = [
    *("2018-05-28 09:03:40", "2018-05-28T09:03:40", "2018-05-28t09:03:40.5", "2016-02-29 23:59:59.999999"),
    *(
        "2018-05-28 \t 09:03:40.123456789",
        " 2018-05-28 09:03:40 ",
        "2000-01-03 00:00:00",
        "2029-12-31 00:00:00",
    ),
    *("2030-01-06 23:59:59.999999", "2018-05-28 00:00:00.000001"),
]
BAD_TIMESTAMPS = [
    *("1999-12-31 23:59:59", "2030-01-07 00:00:00", "0000-01-01 00:00:00", "9999-12-31 23:59:59", "", "noon"),
    *(
        "2018-02-30 00:00:00",
        "2015-02-29 01:00:00",
        "2018-05-28 24:00:00",
        "2018-05-28 09:03:60",
        "2018-5-28",
    ),
    *(
        "2018-13-01 00:00:00",
        "2018-05-28 09:03",
        "2018-05-28 09:03:40Z",
        "2018-05-28 09:03:40.",
        "2018-05-28 1:00:00",
    ),
]
GOOD_TEXTS = [
    *(
        "Turin",
        " Turin ",
        "Turin\t",
        "Zürich",
        "São Paulo",
        "東京",
        "x" * 1024,
        "\u2028Oslo",
        "O'Hare",
        "50 %",
    ),
    *("\\N", "'", "Köln, Süd", 'the "Hub"', "two\nlines", "two\r\nlines"),
]
BAD_TEXTS = ["", " ", "a\0b", "y" * 1025, "é" * 513, "\u00a0"]
ANY_TEXT = st.text(st.sampled_from('aé ,"\r\n\t\0'), max_size=6)


@st.composite
def _points(draw: st.DrawFn, words: list[str], lons: list[str], lats: list[str]) -> str:
    lon, lat = draw(st.sampled_from(lons)), draw(st.sampled_from(lats))
    pads = [draw(BLANKS) for _ in range(5)]
    between = draw(st.sampled_from([" ", "\t", "  "]))
    return f"{pads[0]}{draw(st.sampled_from(words))}{pads[1]}({pads[2]}{lon}{between}{lat}{pads[3]}){pads[4]}"


def _good_point(lon: float, lat: float) -> str:
    return f"POINT ({lon!r} {lat!r})"


_WORDS = ["POINT", "point", "PoInT"]
_GOOD_POINTS = st.builds(_good_point, st.floats(-180, 180), st.floats(-90, 90)) | _points(
    _WORDS, LONGITUDES, LATITUDES
)
_BAD_POINTS = st.one_of(
    _points(["POINT Z", "POINTS", "", "LINESTRING", "POINT ("], LONGITUDES, LATITUDES),
    _points(_WORDS, NOT_NUMBERS, LATITUDES),
    _points(_WORDS, LONGITUDES, NOT_NUMBERS),
    st.sampled_from(["POINT (1 2", "POINT 1 2", "POINT (1,2)", "POINT (12)", "POINT (1 2 3)", ""]),
)
_REMARKS = ANY_TEXT | st.sampled_from(["z" * 5000, "ÿ", "", "a remark"])
GOOD = {
    "region": st.sampled_from(GOOD_TEXTS),
    "origin_coord": _GOOD_POINTS,
    "destination_coord": _GOOD_POINTS,
    "datetime": st.sampled_from(GOOD_TIMESTAMPS),
    "datasource": st.sampled_from([*GOOD_TEXTS, ""]),
    "remark": _REMARKS,
}
BAD = {
    "region": st.sampled_from(BAD_TEXTS) | ANY_TEXT,
    "origin_coord": _BAD_POINTS,
    "destination_coord": _BAD_POINTS,
    "datetime": st.sampled_from(BAD_TIMESTAMPS),
    "datasource": st.sampled_from(BAD_TEXTS) | ANY_TEXT,
    "remark": _REMARKS,
}


@st.composite
def lines(draw: st.DrawFn, names: list[str]) -> bytes:
    """A record of these columns: valid in one of many notations, or with one error."""
    wrong = draw(st.sampled_from(["", "", "", *BAD, "quotes", "fields", "bytes"]))
    fields = []
    for name in names:
        field = draw((BAD if name == wrong else GOOD)[name])
        if set(field) & set(',"\r\n') or draw(st.integers(0, 3)) == 0:
            field = '"' + field.replace('"', '""') + '"'
        fields.append(field)
    if wrong == "quotes":
        at = draw(st.integers(0, len(fields) - 1))
        fields[at] = (
            draw(st.sampled_from(["", '"'])) + fields[at] + draw(st.sampled_from(["", '"', '"x', '"" ']))
        )
    if wrong == "fields":
        fields = [*fields, "more"] if draw(st.booleans()) else fields[:-1]
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    data = (",".join(fields) + end).encode()
    if wrong == "bytes":
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(min_size=1, max_size=3)) + data[at:]
    return data


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A valid header with its line end: columns in any order, with or without an ignored one."""
    names = draw(st.permutations([*GOOD]))
    dropped = draw(st.sampled_from(["remark", ""]))
    written = [draw(st.sampled_from([n, n.upper(), f" {n} "])) for n in names if n != dropped]
    mark, end = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])), draw(st.sampled_from([b"\n", b"\r\n"]))
    return mark + ",".join(written).encode() + end


def names_in(header: bytes) -> list[str]:
    """The columns that a header names, for `lines`."""
    return [name.strip().lower() for name in header.decode("utf-8-sig").split(",")]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A whole file with a valid header."""
    header = draw(headers())
    blank = st.sampled_from([b"\n", b" \n", b"\r\n", b"\t"])
    body = b"".join(draw(st.lists(st.one_of(*[lines(names_in(header))] * 4, blank), max_size=12)))
    return header + (body[: -draw(st.integers(0, 2)) or None])


_DAMAGE = (
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b" ",
    b"9",
    b"-",
    b"e",
    b"(",
    b")",
    b".",
    b"\xc3",
)


def damaged_lines(seed: int, count: int, share: float) -> bytes:
    """Lines in the order of the usual header, a share of them damaged in one to three places."""
    rng = random.Random(seed)
    written = []
    for _ in range(count):
        line = b"Turin,POINT (%.6f %.15f),POINT (%.9e %.4f),2018-%02d-%02d %02d:%02d:%02d,car_%d\n" % (
            *(rng.uniform(-180, 180), rng.uniform(-90, 90), rng.uniform(-180, 180), rng.uniform(-90, 90)),
            *(rng.randint(1, 12), rng.randint(1, 31), rng.randint(0, 23), rng.randint(0, 59)),
            *(rng.randint(0, 59), rng.randint(0, 20)),
        )
        written.append(damaged(line, rng) if rng.random() < share else line)
    return b"".join(written)


def damaged(line: bytes, rng: random.Random) -> bytes:
    """The line with bytes inserted or removed in one to three places."""
    bytes_ = bytearray(line)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(bytes_))
        bytes_[at : at + rng.randint(0, 2)] = rng.choice(_DAMAGE)
    return bytes(bytes_)


@st.composite
def long_files(draw: st.DrawFn, max_lines: int = 4000) -> bytes:
    """A file of thousands of lines: some dozen malicious ones, repeated in any order, a tenth damaged once more."""
    header = draw(headers())
    pool = draw(st.lists(lines(names_in(header)), min_size=8, max_size=40))
    rng = random.Random(draw(st.integers(0, 2**32)))
    chosen = rng.choices(pool, k=draw(st.integers(1000, max_lines)))
    return header + b"".join(damaged(line, rng) if rng.random() < 0.1 else line for line in chosen)
