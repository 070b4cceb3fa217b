"""Every line of a file is in the table, bit for bit as a slow reader reads it, or among the rejects."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.loading.loading import Loader
from tests.unit.core.trips.malicious import damaged_lines, long_files
from tests.unit.core.trips.oracle import Trip, records
from tests.unit.core.trips.reading import HEADER, LINE
from tests.unit.core.trips.test_any_text import expected_of, key

_TRIPS = """
    SELECT ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination),
           (extract(epoch FROM started_at) * 1000000)::bigint, region, source
    FROM shifts.trips WHERE file_id = %s
"""


def check(loader: Loader, name: str, data: bytes) -> tuple[int, int]:
    """Loads a file and compares the database with the slow reader; returns how many rows went where."""
    loader.empty()
    loader.put(name, data)
    record = loader.load(name).record
    assert record.status == "loaded"
    found = records(data)
    trips, rejects = expected_of(data, found)
    assert record.rows_loaded + record.rows_rejected == len(found)
    stored = Counter(key(Trip(row[:4], *row[4:])) for row in loader.query(_TRIPS, record.file_id))
    assert stored == Counter(map(key, trips))
    reasons = loader.query(
        "SELECT line, raw, reason FROM shifts.rejects WHERE file_id = %s ORDER BY line", record.file_id
    )
    assert [(line, raw) for line, raw, _ in reasons] == rejects
    assert all(reason for _, _, reason in reasons)
    assert (record.rows_loaded, record.rows_rejected) == (len(trips), len(rejects))
    assert loader.counts() == {name: (len(trips),) * 3}
    return len(trips), len(rejects)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=long_files(), name=st.sampled_from(["a.csv", "a.csv.gz"]))
def test_thousands_of_hostile_lines_are_all_accounted_for_and_every_value_is_stored_to_the_bit(
    loader: Loader, data: bytes, name: str
) -> None:
    check(loader, name, data)


@pytest.mark.parametrize("share", [0.02, 0.9])
def test_twenty_thousand_lines_in_fifty_weeks_are_stored_to_the_bit(loader: Loader, share: float) -> None:
    loaded, rejected = check(loader, "a.csv", HEADER + damaged_lines(7, 20_000, share))
    assert loaded > 2000
    assert rejected > 400


def test_a_file_with_more_rejects_than_the_share_that_is_allowed_fails_whole(loader: Loader) -> None:
    loader.max_rejected_share = 0.25
    loader.put("just.csv", HEADER + LINE * 3 + b"x\n")
    loader.put("beyond.csv", HEADER + LINE * 5 + b"x\n" * 2)
    assert loader.load("just.csv").record.status == "loaded"
    record = loader.load("beyond.csv").record
    assert record.status == "failed"
    assert record.error == (
        "2 of 7 rows are no trips, more than 25%;"
        " most often (2): wrong number of fields: 1 instead of 5; first on line 7"
    )
    assert loader.counts() == {"just.csv": (3, 3, 3), "beyond.csv": (0, 0, 0)}
    assert loader.query("SELECT line FROM shifts.rejects") == [(5,)]
