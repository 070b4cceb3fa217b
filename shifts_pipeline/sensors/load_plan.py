"""Which runs load the files that are due: pure functions on records of the ledger and runs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from shifts_pipeline.partitions import to_key
from shifts_pipeline.storage.ledger import FileRecord
from shifts_pipeline.storage.load_errors import MAX_ATTEMPTS

SUBMISSION_TIMEOUT = timedelta(seconds=20)
"""A request that has not become a run by then is lost, and its files are requested again."""
MAX_KEY_BYTES = 1000
"""Dagster indexes partition keys and tags, and an index entry has a maximal size."""
MAX_FILES_PER_RUN = 500
"""Starting a run takes as long as loading a hundred tiny files."""
MIN_BYTES_PER_RUN, MAX_BYTES_PER_RUN = 256 * 1024**2, 16 * 1024**3
"""The least that is worth the start of another run, and about the most that waits for one worker."""


@dataclass(frozen=True)
class LoadPlan:
    """What the sensor does about the open files."""

    request: list[FileRecord]
    """These are loaded by a new run."""
    fail: list[tuple[FileRecord, str]]
    """These are not tried again, for the reason given."""


def plan(
    open_files: Sequence[FileRecord],
    *,
    locked: Collection[str],
    runs: Mapping[str, bool],
    now: datetime,
) -> LoadPlan:
    """Decides for each queued or loading file whether it needs a run now.

    Args:
        open_files: the queued and loading records.
        locked: names of files that a live worker is loading.
        runs: run request id → whether the run has ended, for the requests that became runs.
        now: with time zone.
    """
    request: list[FileRecord] = []
    fail: list[tuple[FileRecord, str]] = []
    for record in open_files:
        if record.name in locked or runs.get(record.run_request_id or "") is False:
            continue
        if len(to_key(record.name).encode()) > MAX_KEY_BYTES:
            fail.append((record, f"its name is too long: {MAX_KEY_BYTES} bytes at most, folders included"))
            continue
        if record.requested_at is not None:
            submitted = record.run_request_id in runs
            backoff = timedelta(seconds=min(2 ** min(record.attempts, 10), 30))
            if now < record.requested_at + (backoff if submitted else SUBMISSION_TIMEOUT):
                continue
        # A queued file was returned by its worker, or never begun: only a file in `loading` counts worker deaths.
        if record.attempts >= MAX_ATTEMPTS and record.status == "loading":
            reason = f"{record.attempts} attempts failed or lost their worker; last error: {record.error or 'none'}"
            fail.append((record, reason))
            continue
        request.append(record)
    return LoadPlan(request, fail)


def group_into_runs(
    files: Sequence[FileRecord], position: Mapping[str, int], *, workers: int
) -> Iterator[list[FileRecord]]:
    """Groups files into runs over contiguous partition ranges of limited length and size.

    Large files are divided evenly among the workers: between two files of a run nothing has to start. A file belongs
    to the share that holds its middle, so that sizes that differ a little leave no file over for one more run.

    Args:
        files: the records to load; the versions of one name stay together, and each adds its bytes.
        position: partition key → position among all partitions; files without one wait.
        workers: number of runs that Dagster executes at a time.
    """
    group: list[FileRecord] = []
    names = share = before = 0
    in_order = sorted(
        (record for record in files if to_key(record.name) in position),
        key=lambda record: (position[to_key(record.name)], record.file_id),
    )
    share_bytes = _share_bytes(sum(record.size_bytes or 0 for record in in_order), workers)
    for name, of_name in groupby(in_order, key=lambda record: record.name):
        versions = list(of_name)
        name_bytes = sum(record.size_bytes or 0 for record in versions)
        has_gap = group and position[to_key(name)] - position[to_key(group[-1].name)] > 1
        share_of_name = (before + name_bytes // 2) // share_bytes
        if has_gap or names >= MAX_FILES_PER_RUN or (group and share_of_name != share):
            yield group
            group, names = [], 0
        group += versions
        names += 1
        share = share_of_name
        before += name_bytes
    if group:
        yield group


def _share_bytes(total: int, workers: int) -> int:
    """Bytes of a run, so that each worker gets an even share of all."""
    return min(max(-(-total // workers), MIN_BYTES_PER_RUN), MAX_BYTES_PER_RUN)
