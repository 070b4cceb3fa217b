"""What a run does: it refreshes the shifts of the regions that are due, small regions in batches."""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

import psycopg

from shifts_pipeline.display_text import printable
from shifts_pipeline.storage.shifts import regions
from shifts_pipeline.storage.shifts.refresh import refresh_regions
from shifts_pipeline.storage.shifts.state import MakingOptions

_MAX_BATCH_REGIONS, _MAX_BATCH_TRIPS = 200, 300_000
"""A region takes longer to ask for than to make its shifts if it has few trips."""
_NEIGHBOURS = 5_000
_PROGRESS_INTERVAL_S = 10.0


@dataclass(frozen=True)
class ShiftRequest:
    """What a run refreshes, and how."""

    options: MakingOptions
    weeks: Collection[date]
    """Made even if nothing has changed, unless `only_due`."""
    regions: Sequence[str]
    """Names of the only regions to refresh; all if empty. Without meaning if `only_due`."""
    only_due: bool
    """Refresh the regions that are due, and no others."""
    max_s: float
    """After this time no further region is begun, if `only_due`: clusters must not wait for long."""
    run_id: str
    log: logging.Logger


@dataclass
class RefreshedShifts:
    """What a run did."""

    weeks: Counter[date] = field(default_factory=Counter)
    """Number of regions of each week whose shifts were made, named again or deleted."""
    regions: int = 0
    failures: list[str] = field(default_factory=list)
    """One line for each region that failed."""


def refresh_shifts(connection: psycopg.Connection, request: ShiftRequest) -> RefreshedShifts:
    """Refresh regions, those that are stale for longest first.

    If the refresh of a region raises, the failure is recorded, the region stays stale and pauses, and the others
    continue.

    Args:
        connection: in autocommit mode.
        request: which regions, and how.

    Raises:
        psycopg.Error: the connection is lost.
    """
    if request.only_due:
        wanted = _by_neighbours({pair.region_id: None for pair in regions.due_pairs(connection)})
    else:
        wanted = sorted(regions.regions_of_weeks(connection, list(request.weeks), request.regions))
    sizes = regions.region_sizes(connection, wanted)
    work = _Run(connection, request, len(wanted))
    begun = time.monotonic()
    for batch in _batches(sizes):
        if request.only_due and time.monotonic() > begun + request.max_s:
            break
        work.refresh(batch)
    return work.result


def _by_neighbours(region_ids: Iterable[int]) -> list[int]:
    """Brings regions whose trips are stored side by side together, without delaying others for long."""
    oldest_first = list(region_ids)
    slices = [oldest_first[start : start + _NEIGHBOURS] for start in range(0, len(oldest_first), _NEIGHBOURS)]
    return [region_id for each in slices for region_id in sorted(each)]


def _batches(sizes: Mapping[int, int]) -> Iterator[list[int]]:
    """Splits regions into batches of limited size, in their order; a large region is alone."""
    batch: list[int] = []
    trips = 0
    for region_id, size in sizes.items():
        if batch and (len(batch) == _MAX_BATCH_REGIONS or trips + size > _MAX_BATCH_TRIPS):
            yield batch
            batch, trips = [], 0
        batch.append(region_id)
        trips += size
    if batch:
        yield batch


class _Run:
    """The refreshes of a run."""

    def __init__(self, connection: psycopg.Connection, request: ShiftRequest, wanted: int) -> None:
        self._connection, self._request, self._wanted = connection, request, wanted
        self._logged = time.monotonic()
        self.result = RefreshedShifts()

    def refresh(self, batch: Sequence[int]) -> None:
        """Refresh regions together; those whose last refresh failed, and all if this one does, one by one."""
        self._log_progress()
        only_due = self._request.only_due
        # Several regions are never waited for at once: two workers could wait for each other.
        if not only_due and len(batch) > 1:
            for region_id in batch:
                self._refresh_alone(region_id)
            return
        attempts = regions.begin(self._connection, batch, self._request.run_id, only_due=only_due)
        together = [region_id for region_id, attempt in attempts.items() if attempt == 1]
        alone = [region_id for region_id in attempts if region_id not in together]
        if together and not self._refresh_locked(together, is_last=len(together) == 1):
            alone = together + alone
        for region_id in alone:
            self._refresh_locked([region_id], is_last=True)

    def _refresh_alone(self, region_id: int) -> None:
        if regions.begin(self._connection, [region_id], self._request.run_id, only_due=False):
            self._refresh_locked([region_id], is_last=True)

    def _refresh_locked(self, region_ids: Sequence[int], *, is_last: bool) -> bool:
        """Refresh locked regions; False if that failed and they are to be tried one by one, still locked."""
        connection, request = self._connection, self._request
        forced = () if request.only_due else request.weeks
        try:
            weeks = refresh_regions(connection, region_ids, request.options, forced)
        except Exception as error:
            if connection.closed:
                raise
            if not is_last:
                request.log.warning("refreshing %s regions one by one", len(region_ids), exc_info=True)
                return False
            reason = printable(f"{type(error).__name__}: {error}", 1000)
            request.log.error("the shifts of region %s failed", region_ids[0], exc_info=True)
            self.result.failures.append(f"{self._name_of(region_ids[0])}: {reason}")
            regions.fail(connection, region_ids[0], reason)
            return True
        except BaseException:
            # The run is being stopped: the regions do not pause.
            with suppress(psycopg.Error):
                regions.end(connection, region_ids)
            raise
        regions.end(connection, region_ids)
        self.result.weeks.update(weeks)
        self.result.regions += len(region_ids)
        return True

    def _name_of(self, region_id: int) -> str:
        row = self._connection.execute(
            "SELECT name FROM shifts_store.regions WHERE region_id = %s", [region_id]
        ).fetchone()
        return printable(row[0]) if row else str(region_id)

    def _log_progress(self) -> None:
        if time.monotonic() > self._logged + _PROGRESS_INTERVAL_S:
            self._logged = time.monotonic()
            self._request.log.info("%s of %s regions", f"{self.result.regions:,}", f"{self._wanted:,}")
