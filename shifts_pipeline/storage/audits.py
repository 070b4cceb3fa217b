"""Audits of everything that is stored, in parts: weeks and blocks of file ids, least recently audited ones first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg

from shifts_pipeline.storage.trip_index import index_week
from shifts_pipeline.storage.write_trips import MAX_STORED_REJECT_BYTES, MAX_STORED_REJECTS

AUDIT_TIME = timedelta(minutes=10)
"""Of the weeks, and of the files; one week or block may exceed it."""
FILES_PER_BLOCK = 10_000
MAX_DIFFERENCES = 1_000
"""That are stored of a part."""


@dataclass(frozen=True)
class AuditState:
    """What the last audits of all parts found."""

    parts: int
    outdated: int
    """Parts that this audit has not reached."""
    oldest: datetime | None
    """When the part whose audit is the oldest was audited; None without parts."""
    rows: int
    """Trips or files that the last audits read."""


def now(connection: psycopg.Connection) -> datetime:
    """The server's time, with which audits are recorded."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


def weeks_to_audit(connection: psycopg.Connection) -> list[date]:
    """All weeks that ever had trips, the least recently audited first. Forgets audits of other weeks.

    Args:
        connection: in autocommit mode.
    """
    rows = connection.execute("SELECT * FROM shifts_store.weeks_to_audit()")
    return [week for (week,) in rows]


def audit_week(connection: psycopg.Connection, week: date) -> None:
    """Compares what is stored of a week, and records the differences. Indexes trips that no refresh has indexed."""
    index_week(connection, week)
    connection.execute(
        """
        INSERT INTO shifts_store.week_audits (week, audited_at, trips, differences)
        SELECT %(week)s, clock_timestamp(), a.trips, a.differences FROM shifts_store.audit_week(%(week)s, %(max)s) a
        ON CONFLICT (week) DO UPDATE
        SET audited_at = excluded.audited_at, trips = excluded.trips, differences = excluded.differences
        """,
        {"week": week, "max": MAX_DIFFERENCES},
    )


def blocks_to_audit(connection: psycopg.Connection) -> list[int]:
    """The first file ids of all blocks, the least recently audited first."""
    rows = connection.execute(
        "SELECT b.first_file_id FROM generate_series(0, (SELECT max(file_id) FROM shifts_store.trip_files), %s)"
        " AS b (first_file_id) LEFT JOIN shifts_store.file_audits a USING (first_file_id)"
        " ORDER BY a.audited_at NULLS FIRST, b.first_file_id",
        [FILES_PER_BLOCK],
    )
    return [first for (first,) in rows]


def audit_block(connection: psycopg.Connection, first_file_id: int) -> None:
    """Compares what is stored of a block of files, and records the differences."""
    connection.execute(
        """
        INSERT INTO shifts_store.file_audits (first_file_id, audited_at, files, differences)
        SELECT %(first)s, clock_timestamp(), a.files, a.differences
        FROM shifts_store.audit_files(%(first)s, %(end)s, %(rejects)s, %(bytes)s, %(max)s) a
        ON CONFLICT (first_file_id) DO UPDATE
        SET audited_at = excluded.audited_at, files = excluded.files, differences = excluded.differences
        """,
        {
            "first": first_file_id,
            "end": first_file_id + FILES_PER_BLOCK,
            "rejects": MAX_STORED_REJECTS,
            "bytes": MAX_STORED_REJECT_BYTES,
            "max": MAX_DIFFERENCES,
        },
    )


def week_state(connection: psycopg.Connection, since: datetime, weeks: Sequence[date]) -> AuditState:
    """The audits of weeks, of which those before `since` are outdated."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE audited_at >= %s), min(audited_at), coalesce(sum(trips), 0)::bigint"
        " FROM shifts_store.week_audits",
        [since],
    ).fetchone()
    audited, oldest, trips = row or (0, None, 0)
    return AuditState(len(weeks), len(weeks) - audited, oldest, trips)


def block_state(connection: psycopg.Connection, since: datetime, blocks: Sequence[int]) -> AuditState:
    """The audits of blocks of files, of which those before `since` are outdated."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE audited_at >= %s), min(audited_at), coalesce(sum(files), 0)::bigint"
        " FROM shifts_store.file_audits",
        [since],
    ).fetchone()
    audited, oldest, files = row or (0, None, 0)
    return AuditState(len(blocks), len(blocks) - audited, oldest, files)


def differences(connection: psycopg.Connection, asset: str, limit: int) -> tuple[int, list[dict[str, Any]]]:
    """How many differences the last audits of all parts found in an asset, and some of them.

    Returns:
        The number, at most `MAX_DIFFERENCES` of a part; and for some what differs, where, the expected and the found
        number.
    """
    rows = connection.execute(
        """
        SELECT d.difference || jsonb_build_object('week', d.week), count(*) OVER () FROM (
            SELECT a.week::text AS week, jsonb_array_elements(a.differences) AS difference
            FROM shifts_store.week_audits a
            UNION ALL
            SELECT NULL, jsonb_array_elements(a.differences) FROM shifts_store.file_audits a) AS d
        WHERE d.difference ->> 'asset' = %s ORDER BY d.week NULLS FIRST LIMIT %s
        """,
        [asset, limit],
    ).fetchall()
    return (rows[0][1] if rows else 0), [difference for difference, _ in rows]


def unblock_right_files(connection: psycopg.Connection) -> int:
    """Unblocks the pairs of files whose rows match the ledger by now; returns how many files."""
    row = connection.execute(
        "SELECT shifts_store.unblock_right_files(%s, %s)", [MAX_STORED_REJECTS, MAX_STORED_REJECT_BYTES]
    ).fetchone()
    assert row is not None
    return int(row[0])
