"""The checker: after everything came to rest, what is stored, answered and announced must be what the model says."""

import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from tests.soak.boxes import MATCHES, WORLD, Box, Match, random_box, weekly_counts
from tests.soak.contents import Content, Trips, join, monday
from tests.soak.listeners import TERMINAL
from tests.soak.model import Model
from tests.soak.platform import SoakPlatform
from tests.soak.questions import ALL_REGIONS, MAX_RADIUS_M, MIN_TRIPS, week_of
from tests.soak.report import Report

_BOXES_PER_REGION = 30
_SQL_BOXES_PER_REGION = 4
_LOCKS_HELD_AT_MOST_S = 60.0
_WINDOW_S = 3_600


@dataclass(frozen=True)
class LedgerRow:
    """What is compared of a loaded entry."""

    file_id: int
    kind: str
    name: str
    content_hash: str | None
    rows_loaded: int
    rows_rejected: int


class Checker:
    """Compares the platform with the model; every difference is a finding."""

    def __init__(self, platform: SoakPlatform, model: Model, rng: random.Random, report: Report) -> None:
        self._platform, self._model, self._rng, self._report = platform, model, rng, report

    def check(self) -> None:
        """All comparisons."""
        counted = self._check_files()
        self._check_posts()
        truth = join(
            [content.trips for content in counted]
            + [post.trips for post in self._model.posts() if post.acknowledged]
        )
        self._check_ledger_agrees()
        self._check_statistics(truth)
        self._check_clusters()
        self._check_terminal_events()
        self._check_locks()

    def _check_files(self) -> list[Content]:
        """Which contents count, and that each of them is stored once, row by row, with its rejects."""
        loaded = [row for row in self._loaded() if row.kind == "file"]
        by_hash = {row.content_hash: row for row in loaded}
        must, may = self._model.must_count(), self._model.may_count()
        counted = []
        for content in must:
            if content.sha256 not in by_hash:
                self._report.finding("a file's rows are missing", **self._about(content))
        for content in may:
            row = by_hash.pop(content.sha256, None)
            if row is not None:
                counted.append(content)
                self._check_content(content, row)
        for row in by_hash.values():
            self._report.finding(
                "rows of a file that must not count", ledger=str(row), **self._about_hash(row)
            )
        if len(loaded) != len({row.content_hash for row in loaded}):
            self._report.finding("the same bytes are loaded twice")
        self._report.check("contents that must count", len(must))
        return counted

    def _check_content(self, content: Content, row: LedgerRow) -> None:
        stored = self._stored([row.file_id])
        if _canonical(stored) != _canonical(content.trips) or row.rows_loaded != len(content.trips):
            self._report.finding(
                "stored rows differ from the file",
                ledger=str(row),
                stored=len(stored),
                wanted=len(content.trips),
                **self._about(content),
            )
        lines = self._platform.query(
            "SELECT line FROM shifts_store.rejected_rows WHERE file_id = %s ORDER BY line", [row.file_id]
        )
        if tuple(line for (line,) in lines) != content.rejected_lines:
            self._report.finding(
                "rejected rows differ from the file",
                ledger=str(row),
                stored=lines[:20],
                wanted=content.rejected_lines[:20],
                **self._about(content),
            )
        self._report.check("files compared row by row")

    def _check_posts(self) -> None:
        """Every posted list is stored once, whatever became of its attempts."""
        posts = self._model.posts()
        keys = dict(
            self._platform.query(
                "SELECT key, file_id FROM shifts_store.idempotency_keys WHERE key LIKE 'post-%%'", []
            )
        )
        stored = self._stored([row.file_id for row in self._loaded() if row.kind == "json"])
        wanted = join([post.trips for post in posts if post.key in keys])
        if _canonical(stored) != _canonical(wanted):
            difference = Counter(_canonical(stored))
            difference.subtract(_canonical(wanted))
            self._report.finding(
                "posted trips differ from what was posted",
                stored=len(stored),
                wanted=len(wanted),
                examples=[(str(trip), count) for trip, count in difference.items() if count][:10],
            )
        for post in posts:
            if post.acknowledged and post.key not in keys:
                self._report.finding("a list that was acknowledged is not there", key=post.key)
        self._report.check("posted lists", len(posts))

    def _check_ledger_agrees(self) -> None:
        """No trip, reject or count is there without an entry that is loaded, and sums agree."""
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

    def _check_statistics(self, truth: Trips) -> None:
        """Every region: all trips and random boxes, by every match, against a count trip by trip and plain SQL."""
        for region in ALL_REGIONS:
            trips = truth.of_region(region)
            if len(trips) == 0:
                continue
            for number in range(_BOXES_PER_REGION):
                box = WORLD if number == 0 else random_box(self._rng, trips)
                match = MATCHES[number % len(MATCHES)]
                wanted = weekly_counts(trips, box, match)
                self._check_answer(region, box, match, wanted)
                if number < _SQL_BOXES_PER_REGION:
                    self._check_sql(region, box, match, wanted)

    def _check_answer(self, region: str, box: Box, match: Match, wanted: Counter[int]) -> None:
        parameters = {"region": region, "bbox": box.text, "match": match}
        body = self._get("/trips/weekly", parameters)
        series = {_iso_week(week["monday"]): week["trips"] for week in body.get("series", [])}
        mean = wanted.total() / len(wanted) if wanted else None
        if series != dict(wanted) or body.get("mean") != mean:
            self._report.finding(
                "final statistics are wrong",
                **parameters,
                answered={str(monday(week)): count for week, count in series.items()},
                wanted={str(monday(week)): count for week, count in wanted.items()},
                mean=body.get("mean"),
            )
        self._report.check("final statistics")

    def _check_sql(self, region: str, box: Box, match: Match, wanted: Counter[int]) -> None:
        inside = "ST_X({0}) BETWEEN %(west)s AND %(east)s AND ST_Y({0}) BETWEEN %(south)s AND %(north)s"
        origin, destination = inside.format("origin"), inside.format("destination")
        condition = {
            "both": f"({origin}) AND ({destination})",
            "any": f"({origin}) OR ({destination})",
            "origin": origin,
            "destination": destination,
        }[match]
        rows = self._platform.query(
            "SELECT date_trunc('week', started_at)::date, count(*) FROM shifts.trips"
            f" WHERE region = %(region)s AND ({condition}) GROUP BY 1",
            {"region": region, **vars(box)},
        )
        if {week_of(week): count for week, count in rows} != dict(wanted):
            self._report.finding("SQL counts differ from the model", region=region, box=box.text, match=match)
        self._report.check("final statistics in SQL")

    def _check_clusters(self) -> None:
        """Every cluster's members exist and keep its promises; nobody is in two clusters."""
        members = """
            FROM shifts_store.trip_clusters c
            LEFT JOIN shifts_store.trip_cluster_members m USING (week, cluster_id)
            LEFT JOIN shifts_store.trips t
                ON t.trip_id = m.trip_id AND t.region_id = c.region_id AND m.region_id = c.region_id
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
            "members without a cluster": "SELECT m.cluster_id, m.trip_id FROM shifts_store.trip_cluster_members m"
            " LEFT JOIN shifts_store.trip_clusters c USING (week, cluster_id) WHERE c.cluster_id IS NULL",
            "trips in two clusters": "SELECT trip_id, count(*) FROM shifts_store.trip_cluster_members"
            " GROUP BY 1 HAVING count(*) > 1",
        }
        limits = {"least": MIN_TRIPS, "radius": MAX_RADIUS_M, "window": _WINDOW_S}
        for promise, statement in statements.items():
            rows = self._platform.query(statement, limits)
            if rows:
                self._report.finding(promise, count=len(rows), rows=[str(row) for row in rows[:20]])
        ((count,),) = self._platform.query("SELECT count(*) FROM shifts_store.trip_clusters")
        self._report.check("clusters", count)

    def _check_terminal_events(self) -> None:
        """Every entry was announced as it ended; one that can have ended only once, exactly once."""
        announced: dict[int, list[str]] = {}
        for file_id, status in self._platform.query_dagster(
            "SELECT (details ->> 'file_id')::bigint, details ->> 'status' FROM shifts_feed.events"
            " WHERE type = ANY (%s) ORDER BY event_id",
            [list(TERMINAL)],
        ):
            announced.setdefault(file_id, []).append(status)
        rows = self._platform.query(
            "SELECT file_id, name, status, content_hash, attempts FROM shifts_store.trip_files WHERE kind = 'file'"
        )
        versions = Counter(name for _, name, _, _, _ in rows)
        contents = {content.sha256: content for content in self._model.may_count()}
        for file_id, name, status, content_hash, attempts in rows:
            events = announced.get(file_id, [])
            about = {
                "file_id": file_id,
                "name": name,
                "status": status,
                "attempts": attempts,
                "events": events,
            }
            if status != "superseded" and (not events or events[-1] != status):
                self._report.finding("an ending was not announced", **about)
            content = contents.get(content_hash)
            alone = content is not None and self._model.holders(content) == {name} and versions[name] == 1
            if alone and len(events) > 1:
                self._report.finding("an ending was announced twice", **about)
            self._report.check("endings that were announced once" if alone else "endings that were announced")

    def _check_locks(self) -> None:
        """No advisory lock is held for long: whoever held one has ended or been killed."""
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

    def _loaded(self) -> list[LedgerRow]:
        return [
            LedgerRow(*row)
            for row in self._platform.query(
                "SELECT file_id, kind, name, content_hash, rows_loaded, rows_rejected FROM shifts_store.trip_files"
                " WHERE status = 'loaded' ORDER BY file_id"
            )
        ]

    def _stored(self, file_ids: list[int]) -> Trips:
        rows = self._platform.query(
            "SELECT region, ST_X(origin), ST_Y(origin), ST_X(destination), ST_Y(destination),"
            " (extract(epoch FROM started_at) * 1000000)::bigint, source FROM shifts.trips WHERE file_id = ANY (%s)",
            [file_ids],
        )
        if not rows:
            return join([])
        return Trips(
            np.array([row[0] for row in rows]),
            np.array([row[1:5] for row in rows], np.float64),
            np.array([row[5] for row in rows], np.int64),
            np.array([row[6] for row in rows]),
        )

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        answer = httpx.get(f"{self._platform.api}/api/v1{path}", params=parameters, timeout=60)
        if answer.status_code != httpx.codes.OK:
            self._report.finding(
                "the final question is refused", path=path, status=answer.status_code, body=answer.text[:300]
            )
            return {}
        body: dict[str, Any] = answer.json()
        return body

    def _about(self, content: Content) -> dict[str, object]:
        return {
            "content": repr(content),
            "sha256": content.sha256,
            "names": [
                f"{name.name}: holds {name.present!r}, may count {name.possible}"
                for holder in sorted(self._model.holders(content))
                for name in [self._model.name(holder)]
            ],
            "entries": [
                str(tuple(map(str, row)))
                for row in self._platform.query(
                    "SELECT file_id, name, version, status, duplicate_of, attempts, queued_at, started_at,"
                    " finished_at, error FROM shifts_store.trip_files WHERE name = ANY (%s) ORDER BY file_id",
                    [sorted(self._model.holders(content))],
                )
            ],
        }

    def _about_hash(self, row: LedgerRow) -> dict[str, object]:
        for content in self._model.contents():
            if content.sha256 == row.content_hash:
                return self._about(content)
        return {}


def _canonical(trips: Trips) -> list[tuple[object, ...]]:
    return sorted(
        zip(
            trips.regions.tolist(),
            trips.started_at.tolist(),
            map(tuple, trips.points.tolist()),
            trips.sources.tolist(),
            strict=True,
        )
    )


def _iso_week(text: object) -> int:
    return week_of(np.datetime64(str(text)).astype(object))
