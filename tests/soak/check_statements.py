"""Invariants between tables: queries that return no row in a consistent database."""

import time

from tests.soak.platform import SoakPlatform
from tests.soak.questions import MAX_RADIUS_M, MIN_TRIPS
from tests.soak.report import Report

_LOCKS_HELD_AT_MOST_S = 60.0
_WINDOW_S = 3_600


class StatementCheck:
    """Ledger and trips, clusters and members, locks."""

    def __init__(self, platform: SoakPlatform, report: Report) -> None:
        self._platform, self._report = platform, report

    def check(self) -> None:
        """Runs all queries."""
        self._check_ledger()
        self._check_clusters()
        self._check_locks()

    def _check_ledger(self) -> None:
        """Every trip, reject and count belongs to a loaded record, and the sums are equal."""
        statements = {
            "trips of entries that are not loaded": "SELECT t.file_id, count(*) FROM shifts_store.trips t"
            " LEFT JOIN shifts_store.trip_files f ON f.file_id = t.file_id AND f.status = 'loaded'"
            " WHERE f.file_id IS NULL GROUP BY 1",
            "trip ids that are there twice": "SELECT trip_id, count(*) FROM shifts_store.trips"
            " GROUP BY 1 HAVING count(*) > 1 LIMIT 20",
            "rejects of entries that are not loaded": "SELECT r.file_id, count(*) FROM shifts_store.rejected_rows r"
            " LEFT JOIN shifts_store.trip_files f ON f.file_id = r.file_id AND f.status = 'loaded'"
            " WHERE f.file_id IS NULL GROUP BY 1",
            "rows by pair that differ from the trips": "SELECT * FROM (SELECT region, week, trips FROM shifts.weekly)"
            " AS booked FULL JOIN (SELECT region, date_trunc('week', started_at)::date AS week, count(*) AS stored"
            " FROM shifts.trips GROUP BY 1, 2) AS counted USING (region, week)"
            " WHERE trips IS DISTINCT FROM stored",
        }
        for promise, statement in statements.items():
            rows = self._platform.query(statement)
            if rows:
                self._report.finding(promise, rows=[str(row) for row in rows[:20]])
            self._report.check("statements about the ledger")

    def _check_clusters(self) -> None:
        """The members of every cluster exist and satisfy its guarantees; no trip is in two clusters."""
        members = """
            FROM shifts_store.trip_clusters c
            CROSS JOIN LATERAL unnest(c.trip_ids) AS m (trip_id)
            LEFT JOIN shifts_store.trips t
                ON t.trip_id = m.trip_id AND t.region_id = c.region_id
                AND t.started_at >= c.week AND t.started_at < c.week + 7
        """
        statements = {
            "clusters whose trips are not there": f"SELECT c.cluster_id, c.trips, count(t.trip_id) {members}"
            " GROUP BY c.week, c.cluster_id, c.trips HAVING c.trips <> count(t.trip_id)"
            " OR count(t.trip_id) < %(least)s OR count(*) <> count(t.trip_id)",
            "clusters that are too wide": f"SELECT c.cluster_id, c.radius_m {members} WHERE c.radius_m > %(radius)s"
            " OR greatest(ST_DistanceSphere(t.origin, c.origin), ST_DistanceSphere(t.destination, c.destination))"
            " > %(radius)s + 0.01",
            "clusters that last too long": "SELECT cluster_id, earliest_time, latest_time"
            " FROM shifts_store.trip_clusters"
            " WHERE (extract(epoch FROM latest_time - earliest_time)::integer + 86400) %% 86400 > %(window)s",
            "trips in two clusters": "SELECT trip_id, count(*) FROM shifts.cluster_members"
            " GROUP BY 1 HAVING count(*) > 1",
        }
        limits = {"least": MIN_TRIPS, "radius": MAX_RADIUS_M, "window": _WINDOW_S}
        for promise, statement in statements.items():
            rows = self._platform.query(statement, limits)
            if rows:
                self._report.finding(promise, count=len(rows), rows=[str(row) for row in rows[:20]])
        ((count,),) = self._platform.query("SELECT count(*) FROM shifts_store.trip_clusters")
        self._report.check("clusters", count)

    def _check_locks(self) -> None:
        """No advisory lock is held for long: all of its possible holders have ended."""
        statement = (
            "SELECT d.datname, l.pid, l.classid, l.objid FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory'"
        )
        held = set(self._platform.query(statement))
        deadline = time.monotonic() + _LOCKS_HELD_AT_MOST_S
        while held and time.monotonic() < deadline:
            time.sleep(2)
            held &= set(self._platform.query(statement))
        if held:
            self._report.finding("advisory locks are left", locks=[str(lock) for lock in held])
        self._report.check("advisory locks")
