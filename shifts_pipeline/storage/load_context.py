"""What a run loads its files with, and the result of loading one file."""

from dataclasses import dataclass

import psycopg

from shifts_core.calendar import DateRange
from shifts_core.landing.zone import LandingZone
from shifts_core.trips.report import LoadReport
from shifts_pipeline.storage.ledger import FileRecord


@dataclass(frozen=True)
class LoadContext:
    """Shared by all files of a run."""

    connection: psycopg.Connection
    side: psycopg.Connection
    """In autocommit mode: other loads may wait for what it creates."""
    zone: LandingZone
    dates: DateRange
    """Trips of other dates are rejected."""
    max_rejected_share: float
    """0 to 1; a file with a larger share of rejected rows fails."""
    run_id: str
    run_request_id: str | None
    """The sensor's request that this run answers; None if the run was started by hand."""


@dataclass(frozen=True)
class LoadResult:
    """How loading a file ended."""

    record: FileRecord
    """After its last transition."""
    report: LoadReport | None
    """None if nothing was loaded: a duplicate, a failure, or a file that an earlier run has settled."""
    coalesced: tuple[FileRecord, ...] = ()
    """Other requests for the same file that this load has answered."""

    @property
    def error(self) -> str | None:
        """Why the file could not be loaded, if it could not."""
        return self.record.error if self.record.status in ("failed", "loaded") else None
