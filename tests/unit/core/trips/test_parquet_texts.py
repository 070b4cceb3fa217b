"""Parquet columns of any texts: the compiled loops and the rules in plain Python agree on every row."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifts_core.trips import read_parquet as read_parquet_module
from shifts_core.trips.columns import COLUMN_NAMES, REGION, SOURCE
from shifts_core.trips.read_parquet import read_parquet
from shifts_core.trips.reject_reasons import RejectedRow, parse_fields, parse_name
from tests.unit.core.trips.malicious import BAD, GOOD
from tests.unit.core.trips.oracle import Trip
from tests.unit.core.trips.reading import DATES, Read, together
from tests.unit.core.trips.test_any_text import key

_ROWS = st.fixed_dictionaries(
    {name: st.one_of(GOOD[name], GOOD[name], GOOD[name], BAD[name], st.none()) for name in COLUMN_NAMES}
)


def expected_of(rows: list[dict[str, str | None]]) -> tuple[list[object], list[tuple[int, str]]]:
    """Trips and rejects (line and reason) by the rules in plain Python."""
    trips: list[object] = []
    rejects = []
    for line, row in enumerate(rows, start=2):
        fields = {kind: (row[name] or "").encode() for kind, name in enumerate(COLUMN_NAMES)}
        try:
            parsed = parse_fields(fields, DATES)
        except RejectedRow as rejected:
            rejects.append((line, str(rejected)))
            continue
        region, source = parse_name(parsed.region, REGION), parse_name(parsed.source, SOURCE)
        trips.append(key(Trip(parsed.points, parsed.started_at, region, source)))
    return trips, rejects


def read_table(table: pa.Table, **options: object) -> Read:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return together(read_parquet(file, DATES))


@settings(max_examples=200, deadline=None)
@given(st.lists(_ROWS, min_size=1, max_size=30), st.booleans(), st.integers(1, 20), st.integers(1, 7))
def test_malicious_texts_are_read_by_the_rules(
    rows: list[dict[str, str | None]], large: bool, group_rows: int, read_rows: int
) -> None:
    kind = pa.large_string() if large else pa.string()
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name in COLUMN_NAMES})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_parquet_module, "_READ_ROWS", read_rows)
        found = read_table(table, row_group_size=group_rows)
    trips, rejects = expected_of(rows)
    assert list(map(key, found.trips)) == trips
    assert [(reject.line, reject.reason) for reject in found.rejects] == rejects


@pytest.mark.parametrize("column", ["origin_coord", "datetime"])
def test_texts_without_end_marks_do_not_run_into_each_other(column: str) -> None:
    # Each text is incomplete, and continues in the next one.
    halves = {"origin_coord": ["POINT (7.6", "7 45.01)"], "datetime": ["2018-05-28 09:03:40.", "25"]}
    row = {
        "region": "Turin",
        "origin_coord": "POINT (1 2)",
        "destination_coord": "POINT (1 2)",
        "datetime": "2018-05-28 09:03:40",
        "datasource": "",
    }
    table = pa.table(({name: [text] * 2 for name, text in row.items()}) | {column: halves[column]})
    found = read_table(table)
    assert found.trips == []
    assert [reject.line for reject in found.rejects] == [2, 3]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_extreme_timestamps_are_compared_exactly(unit: str) -> None:
    a_second = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    first, end = 946_857_600 * a_second, 1_893_974_400 * a_second
    values = [first - 1, first, end - 1, end, 2**63 - 1, -(2**63) + 1, None]
    names = [name for name in COLUMN_NAMES if name != "datetime"]
    table = pa.table(
        {name: ["POINT (1 2)"] * len(values) for name in names}
        | {"datetime": pa.array(values, pa.int64()).cast(pa.timestamp(unit))}
    )
    found = read_table(table)
    assert len(found.trips) == 2
    assert [reject.line for reject in found.rejects] == [2, 5, 6, 7, 8]
