"""Which open files need a run now, and how files are grouped into runs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.partitions import to_key
from shifts_pipeline.sensors.load_plan import (
    MAX_BYTES_PER_RUN,
    MAX_FILES_PER_RUN,
    MAX_KEY_BYTES,
    MIN_BYTES_PER_RUN,
    SUBMISSION_TIMEOUT,
    LoadPlan,
    group_into_runs,
    plan,
)
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_errors import MAX_ATTEMPTS

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def queued(name: str = "a.csv", **fields: object) -> FileRecord:
    record = FileRecord(
        kind="file",
        file_id=1,
        uri=f"file:///landing/{name}",
        name=name,
        version="1-1",
        size_bytes=1,
        content_hash=None,
        status="queued",
        duplicate_of=None,
        rows_loaded=0,
        rows_rejected=0,
        task_id="t",
        run_request_id=None,
        requested_at=None,
        attempts=0,
        run_id=None,
        finished_at=None,
        error=None,
    )
    return replace(record, **fields)  # type: ignore[arg-type]


def decide(record: FileRecord, *, locked: bool = False, runs: dict[str, bool] | None = None) -> LoadPlan:
    return plan(
        [record],
        locked={record.name} if locked else set(),
        runs=runs or {},
        now=NOW,
    )


def test_a_new_file_gets_a_run() -> None:
    assert decide(queued()).request == [queued()]


def test_a_file_whose_name_dagster_cannot_index_fails_with_the_reason() -> None:
    decided = decide(queued("|" * 400 + ".csv"))
    assert decided.request == []
    assert "name is too long" in decided.fail[0][1]


def test_a_file_whose_run_is_on_its_way_gets_no_second_one() -> None:
    record = queued(run_request_id="b", requested_at=NOW - timedelta(hours=1), attempts=1)
    assert decide(record, runs={"b": False}) == LoadPlan([], [])


def test_a_request_gets_time_to_become_a_run() -> None:
    record = queued(
        run_request_id="b", requested_at=NOW - SUBMISSION_TIMEOUT + timedelta(seconds=1), attempts=1
    )
    assert decide(record) == LoadPlan([], [])


def test_a_request_that_never_became_a_run_is_made_again() -> None:
    record = queued(run_request_id="b", requested_at=NOW - SUBMISSION_TIMEOUT, attempts=1)
    assert decide(record).request == [record]


def test_a_request_gets_that_time_whatever_became_of_others() -> None:
    record = queued(
        run_request_id="b", requested_at=NOW - SUBMISSION_TIMEOUT + timedelta(seconds=1), attempts=0
    )
    assert decide(record, runs={"c": True}) == LoadPlan([], [])


def test_a_file_whose_worker_died_is_requested_again() -> None:
    record = queued(
        status="loading", run_request_id="b", requested_at=NOW - timedelta(seconds=31), attempts=1
    )
    assert decide(record, runs={"b": True}).request == [record]


def test_a_file_that_a_living_worker_holds_is_left_alone() -> None:
    record = queued(status="loading", run_request_id="b", requested_at=NOW - timedelta(hours=1), attempts=1)
    assert decide(record, locked=True, runs={"b": True}) == LoadPlan([], [])


def test_every_retry_comes_within_a_minute() -> None:
    for attempts in range(1, MAX_ATTEMPTS):
        record = queued(run_request_id="b", requested_at=NOW - timedelta(seconds=59), attempts=attempts)
        assert decide(record, runs={"b": True}).request == [record]


def test_a_file_whose_attempts_all_failed_fails_with_the_last_error() -> None:
    record = queued(
        status="loading",
        run_request_id="b",
        requested_at=NOW - timedelta(hours=1),
        attempts=MAX_ATTEMPTS,
        error="MemoryError: no",
    )
    ((failed, reason),) = decide(record, runs={"b": True}).fail
    assert failed == record
    assert "MemoryError: no" in reason


def test_a_file_is_not_failed_for_what_others_of_its_run_or_the_machine_did() -> None:
    record = queued(
        run_request_id="b", requested_at=NOW - timedelta(seconds=30), attempts=1000 * MAX_ATTEMPTS
    )
    assert decide(record, runs={"b": True}) == LoadPlan([record], [])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 60), st.integers(0, MIN_BYTES_PER_RUN + 5) | st.integers(0, MAX_BYTES_PER_RUN + 5)
        ),
        max_size=80,
    ),
    st.permutations(range(61)),
    st.integers(1, 100),
)
def test_runs_hold_every_file_once_without_gaps_in_even_shares(
    wanted: list[tuple[int, int]], order: list[int], workers: int
) -> None:
    files = [
        queued(f"{place}.csv", file_id=number, size_bytes=size) for number, (place, size) in enumerate(wanted)
    ]
    position = {to_key(f"{name}.csv"): place for place, name in enumerate(order)}
    cut = list(group_into_runs(files, position, workers=workers))
    assert sorted(e.file_id for batch in cut for e in batch) == [f.file_id for f in files]
    share = min(max(-(-bytes_of(files) // workers), MIN_BYTES_PER_RUN), MAX_BYTES_PER_RUN)
    for batch in cut:
        places = sorted({position[to_key(e.name)] for e in batch})
        assert places == list(range(places[0], places[-1] + 1))
        assert len(places) <= MAX_FILES_PER_RUN
        first, last = (bytes_of([e for e in batch if e.name == batch[i].name]) for i in (0, -1))
        assert len(places) == 1 or bytes_of(batch) - first / 2 - last / 2 <= share + 1
    assert len({e.name for b in cut for e in b}) == sum(len({e.name for e in b}) for b in cut)
    # Two neighbours are apart for a reason.
    end = 0
    for one, other in pairwise(cut):
        end += bytes_of(one)
        last = bytes_of([e for e in one if e.name == one[-1].name])
        first = bytes_of([e for e in other if e.name == other[0].name])
        assert (
            position[to_key(other[0].name)] - position[to_key(one[-1].name)] > 1
            or len({record.name for record in one}) == MAX_FILES_PER_RUN
            or (end - last) // share < (end + first) // share
        )


def bytes_of(batch: list[FileRecord]) -> int:
    """Each version of a file counts: which of them lies there is known when it is loaded."""
    return sum(record.size_bytes or 0 for record in batch)


@pytest.mark.parametrize(
    ("files", "sizes"),
    [(MAX_FILES_PER_RUN, [MAX_FILES_PER_RUN]), (MAX_FILES_PER_RUN + 1, [MAX_FILES_PER_RUN, 1])],
)
def test_a_run_takes_as_many_small_files_as_it_may(files: int, sizes: list[int]) -> None:
    records = [queued(f"{number}.csv", file_id=number) for number in range(files)]
    position = {to_key(record.name): place for place, record in enumerate(records)}
    assert [len(batch) for batch in group_into_runs(records, position, workers=2)] == sizes


@pytest.mark.parametrize(
    ("second", "runs"),
    [(MIN_BYTES_PER_RUN - 10, 1), (2 * MIN_BYTES_PER_RUN - 22, 1), (2 * MIN_BYTES_PER_RUN - 20, 2)],
)
def test_files_of_few_bytes_are_one_run(second: int, runs: int) -> None:
    records = [queued("a.csv", file_id=1, size_bytes=10), queued("b.csv", file_id=2, size_bytes=second)]
    assert len(list(group_into_runs(records, {"a.csv": 0, "b.csv": 1}, workers=9))) == runs


@pytest.mark.parametrize(
    ("workers", "sizes"), [(1, [10]), (2, [5, 5]), (3, [3, 4, 3]), (10, [1] * 10), (50, [1] * 10)]
)
def test_large_files_are_divided_evenly_among_the_workers(workers: int, sizes: list[int]) -> None:
    records = [queued(f"{n}.csv", file_id=n, size_bytes=MAX_BYTES_PER_RUN // 10) for n in range(10)]
    position = {to_key(record.name): place for place, record in enumerate(records)}
    assert [len(batch) for batch in group_into_runs(records, position, workers=workers)] == sizes


@pytest.mark.parametrize("largest", range(6))
def test_sizes_that_differ_a_little_leave_no_file_for_one_more_run(largest: int) -> None:
    records = [queued(f"{n}.csv", file_id=n, size_bytes=2 * 10**8 + (n == largest)) for n in range(6)]
    position = {to_key(record.name): place for place, record in enumerate(records)}
    assert [len(batch) for batch in group_into_runs(records, position, workers=2)] == [3, 3]


def test_one_run_does_not_make_a_worker_load_without_limit() -> None:
    records = [queued(f"{n}.csv", file_id=n, size_bytes=MAX_BYTES_PER_RUN // 4) for n in range(10)]
    position = {to_key(record.name): place for place, record in enumerate(records)}
    assert [len(batch) for batch in group_into_runs(records, position, workers=1)] == [4, 4, 2]


def test_the_newer_versions_of_a_file_count_towards_its_runs_bytes() -> None:
    records = [
        queued("a.csv", file_id=1, size_bytes=10),
        queued("b.csv", file_id=2, size_bytes=10),
        queued("b.csv", file_id=3, size_bytes=2 * MIN_BYTES_PER_RUN - 30),
    ]
    assert [len(batch) for batch in group_into_runs(records, {"a.csv": 0, "b.csv": 1}, workers=9)] == [1, 2]


@pytest.mark.parametrize(("attempts", "wait"), [(0, 1), (1, 2), (2, 4), (4, 16), (5, 30), (50, 30)])
def test_a_retry_waits_twice_as_long_each_time_up_to_half_a_minute(attempts: int, wait: int) -> None:
    for early, requested in ((1, []), (0, [1])):
        at = NOW - timedelta(seconds=wait - early)
        record = queued(run_request_id="b", requested_at=at, attempts=attempts)
        assert [e.file_id for e in decide(record, runs={"b": True}).request] == requested


@pytest.mark.parametrize(("length", "fits"), [(MAX_KEY_BYTES, True), (MAX_KEY_BYTES + 1, False)])
def test_a_name_may_be_as_long_as_dagster_can_index(length: int, fits: bool) -> None:
    decided = decide(queued("x" * length))
    assert (len(decided.request), len(decided.fail)) == ((1, 0) if fits else (0, 1))


@pytest.mark.parametrize(
    ("characters", "fits"), [(MAX_KEY_BYTES // 2, True), (MAX_KEY_BYTES // 2 + 1, False)]
)
def test_the_length_of_a_name_is_counted_in_bytes(characters: int, fits: bool) -> None:
    decided = decide(queued("ü" * characters))
    assert (len(decided.request), len(decided.fail)) == ((1, 0) if fits else (0, 1))


def test_one_file_left_alone_keeps_no_other_from_its_run() -> None:
    held = queued("a.csv", file_id=1, status="loading", run_request_id="b", attempts=1)
    at_work = queued("b.csv", file_id=2, run_request_id="c", attempts=1)
    too_long = queued("x" * 2000, file_id=3)
    failed = queued(
        "d.csv",
        file_id=4,
        status="loading",
        run_request_id="b",
        attempts=MAX_ATTEMPTS,
        requested_at=NOW - timedelta(hours=1),
    )
    waits = queued("e.csv", file_id=5, run_request_id="b", attempts=1, requested_at=NOW)
    new = queued("f.csv", file_id=6)
    decided = plan(
        [held, at_work, too_long, failed, waits, new],
        locked={"a.csv"},
        runs={"b": True, "c": False},
        now=NOW,
    )
    assert decided.request == [new]
    assert [record.file_id for record, _ in decided.fail] == [3, 4]


def test_a_file_one_attempt_before_the_last_is_tried_again() -> None:
    record = queued(
        status="loading", run_request_id="b", requested_at=NOW - timedelta(hours=1), attempts=MAX_ATTEMPTS - 1
    )
    assert decide(record, runs={"b": True}) == LoadPlan([record], [])
