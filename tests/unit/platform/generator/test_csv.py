"""Generated CSV: readers get the trips of the chunk, and loaders reject the corrupted lines."""

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
from tests.unit.platform.generator.reading import complete_csv, read_frame

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
micro = st.integers(-180_000_000, 180_000_000)
seconds = st.integers(0, 2**32)


def loaded(data: bytes) -> list[Batch]:
    return list(read_csv(io.BytesIO(data), DateRange(date(2000, 1, 3), date(2030, 1, 7))))


def test_pandas_reads_the_trips_of_the_chunk() -> None:
    (chunk,) = generate_trips(20_000, seed=5)
    frame = read_frame(HEADER + format_csv(chunk))
    np.testing.assert_array_equal(frame[[0, 1, 2, 3]].to_numpy(float), chunk.od_coords)
    np.testing.assert_array_equal(frame["moment"].to_numpy("datetime64[s]"), chunk.moments)
    np.testing.assert_array_equal(frame["region"], np.array(chunk.regions)[chunk.region])
    np.testing.assert_array_equal(frame["datasource"], np.array(chunk.sources)[chunk.source])
    assert set(frame["region"]) == {"Hamburg", "Prague", "Turin"}
    assert set(frame["datasource"]) == set(SOURCES)


@given(st.lists(st.tuples(names, st.tuples(micro, micro, micro, micro), seconds, names), max_size=8))
def test_any_name_coordinate_and_moment_survives_a_round_trip(
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


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert complete_csv(CHUNK_ROWS + 10) == complete_csv(CHUNK_ROWS + 10)
    assert complete_csv(1_000, seed=1) != complete_csv(1_000, seed=2)


def test_the_loader_accepts_every_line() -> None:
    batches = loaded(complete_csv(10_000))
    assert sum(len(batch.started_at) for batch in batches) == 10_000
    assert not any(batch.rejects for batch in batches)


@pytest.mark.parametrize(("trips", "share"), [(3_000, 0.1), (CHUNK_ROWS + 777, 0.003), (999, 1.0), (1, 0.4)])
def test_the_loader_rejects_exactly_the_given_share(trips: int, share: float) -> None:
    batches = loaded(complete_csv(trips, bad_share=share))
    assert sum(len(batch.rejects) for batch in batches) == round(trips * share)
    assert sum(batch.rows for batch in batches) == trips


def test_the_loader_gives_a_reason_for_each_corruption() -> None:
    reasons = {
        reject.reason for batch in loaded(complete_csv(1_000, bad_share=0.5)) for reject in batch.rejects
    }
    assert len(reasons) == len(CORRUPTIONS)
    for word in (
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
        assert any(word in reason for reason in reasons), word


def test_corrupted_lines_do_not_change_the_others() -> None:
    complete, corrupted = complete_csv(5_000).splitlines(), complete_csv(5_000, bad_share=0.02).splitlines()
    assert len(complete) == len(corrupted)
    assert sum(one != other for one, other in zip(complete, corrupted, strict=True)) == 100


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_rejected(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        complete_csv(10, bad_share=share)
