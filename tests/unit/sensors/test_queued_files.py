"""Which open files get a run now, and how files share runs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shifts_pipeline.failures import MAX_ATTEMPTS
from shifts_pipeline.ledger import Entry
from shifts_pipeline.partitions import to_key
from shifts_pipeline.sensors.queued_files import (
    BATCH_BYTES,
    BATCH_FILES,
    SUBMISSION_TAKES,
    Plan,
    batches,
    plan,
)

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def queued(name: str = "a.csv", **fields: object) -> Entry:
    entry = Entry(
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
        batch=None,
        requested_at=None,
        attempts=0,
        run_id=None,
        error=None,
    )
    return replace(entry, **fields)  # type: ignore[arg-type]


def decide(entry: Entry, *, being_loaded: bool = False, runs: dict[str, bool] | None = None) -> Plan:
    return plan(
        [entry],
        being_loaded={entry.name} if being_loaded else set(),
        runs=runs or {},
        now=NOW,
    )


def test_a_new_file_gets_a_run() -> None:
    assert decide(queued()).request == [queued()]


def test_a_file_whose_name_dagster_cannot_index_fails_with_the_reason() -> None:
    decided = decide(queued("|" * 400 + ".csv"))
    assert decided.request == []
    assert "name is too long" in decided.give_up[0][1]


def test_a_file_whose_run_is_on_its_way_gets_no_second_one() -> None:
    entry = queued(batch="b", requested_at=NOW - timedelta(hours=1), attempts=1)
    assert decide(entry, runs={"b": False}) == Plan([], [])


def test_a_request_gets_time_to_become_a_run() -> None:
    entry = queued(batch="b", requested_at=NOW - SUBMISSION_TAKES + timedelta(seconds=1), attempts=1)
    assert decide(entry) == Plan([], [])


def test_a_request_that_never_became_a_run_is_made_again() -> None:
    entry = queued(batch="b", requested_at=NOW - SUBMISSION_TAKES, attempts=1)
    assert decide(entry).request == [entry]


def test_a_file_whose_worker_died_is_requested_again() -> None:
    entry = queued(status="loading", batch="b", requested_at=NOW - timedelta(seconds=31), attempts=1)
    assert decide(entry, runs={"b": True}).request == [entry]


def test_a_file_that_a_living_worker_holds_is_left_alone() -> None:
    entry = queued(status="loading", batch="b", requested_at=NOW - timedelta(hours=1), attempts=1)
    assert decide(entry, being_loaded=True, runs={"b": True}) == Plan([], [])


def test_every_retry_comes_within_a_minute() -> None:
    for attempts in range(1, MAX_ATTEMPTS):
        entry = queued(batch="b", requested_at=NOW - timedelta(seconds=59), attempts=attempts)
        assert decide(entry, runs={"b": True}).request == [entry]


def test_a_file_on_which_run_after_run_died_fails_with_the_last_word() -> None:
    entry = queued(
        status="loading",
        batch="b",
        requested_at=NOW - timedelta(hours=1),
        attempts=MAX_ATTEMPTS,
        error="MemoryError: no",
    )
    ((given_up, reason),) = decide(entry, runs={"b": True}).give_up
    assert given_up == entry
    assert "MemoryError: no" in reason


def test_a_file_is_not_given_up_for_what_others_of_its_run_or_the_machine_did() -> None:
    entry = queued(batch="b", requested_at=NOW - timedelta(seconds=30), attempts=1000 * MAX_ATTEMPTS)
    assert decide(entry, runs={"b": True}) == Plan([entry], [])


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, BATCH_BYTES + 5)), max_size=80),
    st.permutations(range(61)),
)
def test_batches_hold_every_file_once_without_gaps_and_within_their_limits(
    wanted: list[tuple[int, int]], order: list[int]
) -> None:
    files = [
        queued(f"{place}.csv", file_id=number, size_bytes=size) for number, (place, size) in enumerate(wanted)
    ]
    position = {to_key(f"{name}.csv"): place for place, name in enumerate(order)}
    cut = list(batches(files, position))
    assert sorted(e.file_id for batch in cut for e in batch) == [f.file_id for f in files]
    for batch in cut:
        places = sorted({position[to_key(e.name)] for e in batch})
        assert places == list(range(places[0], places[-1] + 1))
        assert len(places) <= BATCH_FILES
        assert len(places) == 1 or sum(e.size_bytes or 0 for e in batch) <= BATCH_BYTES * 2
    assert len({e.name for b in cut for e in b}) == sum(len({e.name for e in b}) for b in cut)
