"""The generated CSV: what is in the chunk is what a reader gets, and the broken lines are broken."""

import csv
import io
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_core.calendar import DateRange
from shifts_core.trips.batch import Batch
from shifts_core.trips.read_csv import read_csv
from shifts_platform.generator.corruptions import CORRUPTIONS
from shifts_platform.generator.csv_text import HEADER, format_csv
from shifts_platform.generator.trips import CHUNK_ROWS, SOURCES, TripChunk, generate_trips
from tests.unit.platform.generator.reading import frame_of, whole_csv

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
micro = st.integers(-180_000_000, 180_000_000)
seconds = st.integers(0, 2**32)


def loaded(data: bytes) -> list[Batch]:
    return list(read_csv(io.BytesIO(data), DateRange(date(2000, 1, 3), date(2030, 1, 7))))


def test_the_csv_read_with_pandas_is_the_chunk() -> None:
    (chunk,) = generate_trips(20_000, seed=5)
    frame = frame_of(HEADER + format_csv(chunk))
    np.testing.assert_array_equal(frame[[0, 1, 2, 3]].to_numpy(float), chunk.od_coords)
    np.testing.assert_array_equal(frame["moment"].to_numpy("datetime64[s]"), chunk.moments)
    np.testing.assert_array_equal(frame["region"], np.array(chunk.regions)[chunk.region])
    np.testing.assert_array_equal(frame["datasource"], np.array(chunk.sources)[chunk.source])
    assert set(frame["region"]) == {"Hamburg", "Prague", "Turin"}
    assert set(frame["datasource"]) == set(SOURCES)


@given(st.lists(st.tuples(names, st.tuples(micro, micro, micro, micro), seconds, names), max_size=8))
def test_any_name_coordinate_and_moment_is_written_so_that_it_reads_the_same(
    rows: list[tuple[str, tuple[int, int, int, int], int, str]],
) -> None:
    count = len(rows)
    chunk = TripChunk(
        0,
        tuple(row[0] for row in rows),
        np.arange(count, dtype=np.int32),
        np.array([row[1] for row in rows]).reshape(-1, 4) / 1e6,
        np.array([row[2] for row in rows], dtype="datetime64[s]"),
        tuple(row[3] for row in rows),
        np.arange(count, dtype=np.int32),
        np.zeros(count, np.int32),
    )
    read = list(csv.reader(io.StringIO(format_csv(chunk).decode(), newline="")))
    assert read == [
        [
            region,
            f"POINT ({ends[0] / 1e6:.6f} {ends[1] / 1e6:.6f})",
            f"POINT ({ends[2] / 1e6:.6f} {ends[3] / 1e6:.6f})",
            str(np.datetime64(second, "s")).replace("T", " "),
            source,
        ]
        for region, ends, second, source in rows
    ]


def test_same_seed_same_bytes_and_other_seed_other_bytes() -> None:
    assert whole_csv(CHUNK_ROWS + 10) == whole_csv(CHUNK_ROWS + 10)
    assert whole_csv(1_000, seed=1) != whole_csv(1_000, seed=2)


def test_the_loader_takes_every_line() -> None:
    batches = loaded(whole_csv(10_000))
    assert sum(len(batch.started_at) for batch in batches) == 10_000
    assert not any(batch.rejects for batch in batches)


@pytest.mark.parametrize(("trips", "share"), [(3_000, 0.1), (CHUNK_ROWS + 777, 0.003), (999, 1.0), (1, 0.4)])
def test_exactly_the_share_asked_for_is_rejected_by_the_loader(trips: int, share: float) -> None:
    batches = loaded(whole_csv(trips, bad_share=share))
    assert sum(len(batch.rejects) for batch in batches) == round(trips * share)
    assert sum(batch.rows for batch in batches) == trips


def test_the_loader_finds_a_reason_for_each_way_of_being_broken() -> None:
    reasons = {reject.reason for batch in loaded(whole_csv(1_000, bad_share=0.5)) for reject in batch.rejects}
    assert len(reasons) == len(CORRUPTIONS)
    for said in (
        "WKT",
        "latitude",
        "swapped",
        "longitude",
        "empty",
        "impossible",
        "fields",
        "UTF-8",
        "finite",
    ):
        assert any(said in reason for reason in reasons), said


def test_broken_lines_leave_the_others_as_they_are() -> None:
    whole, broken = whole_csv(5_000).splitlines(), whole_csv(5_000, bad_share=0.02).splitlines()
    assert len(whole) == len(broken)
    assert sum(one != other for one, other in zip(whole, broken, strict=True)) == 100


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        whole_csv(10, bad_share=share)
