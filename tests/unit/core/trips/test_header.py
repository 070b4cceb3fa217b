"""A file without a valid header fails with a message that says what to correct."""

import gzip
import io

import pytest

from shifts_core.trips.report import UnreadableFile
from tests.unit.core.trips.reading import HEADER, LINE, Read, read


def parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = io.BytesIO()
    pq.write_table(pa.table({"region": ["Turin"]}), written)
    return written.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (
            b"region,origin_coord,destination_coord,datasource\n" + LINE,
            "missing column datetime: the first line must name them, and names only region, origin_coord,"
            " destination_coord, datasource",
        ),
        (
            b"Turin,POINT (7.67 45.01)\n",
            "missing columns origin_coord, destination_coord, datetime, region, datasource: the first line must name"
            " them, and names only turin, point (7.67 45.01)",
        ),
        (b"a\0\x1b[2J,b\n", "and names only a\ufffd\ufffd[2j, b"),
        (b"\n" + HEADER + LINE, "is blank"),
        (b"\xef\xbb\xbf", "is blank"),
        (HEADER.replace(b",", b";"), "missing columns"),
        (HEADER.strip() + b",Region\n" + LINE, "column region appears twice: which one counts?"),
        (HEADER.decode().encode("utf-16"), "the file is written in UTF-16: save it as UTF-8"),
        (
            b"\xfe\xff" + HEADER.decode().encode("utf-16-be"),
            "the file is written in UTF-16: save it as UTF-8",
        ),
        (gzip.compress(HEADER + LINE), "the file is compressed with gzip: its name must end in .csv.gz"),
        (parquet(), "the file is a Parquet file: its name must end in .parquet"),
        (b"PK\x03\x04\x14\0", "the file is a zip archive or a spreadsheet: save it as CSV"),
        (
            b"r\xe9gion" + HEADER,
            "this is not a CSV file in UTF-8: its first line must name the columns origin_coord,",
        ),
        ((HEADER + LINE).replace(b"\n", b"\r"), "this is not a CSV file in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "this is not a CSV file in UTF-8"),
        (b"x" * 200_000, "missing columns"),
    ],
)
def test_files_that_are_not_trip_files_say_what_to_correct(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableFile) as raised:
        read(data)
    assert said in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_a_header_alone_has_no_rows() -> None:
    for data in (HEADER, HEADER.strip(), HEADER.strip() + b"\r\n", b"\xef\xbb\xbf" + HEADER):
        assert read(data) == Read([], [])
