"""Stored rows: the trips and rejects of every current file and every post, each once."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from tests.soak.contents import Content, Trips, join
from tests.soak.model import Model
from tests.soak.platform import SoakPlatform
from tests.soak.report import Report


@dataclass(frozen=True)
class LedgerRow:
    """The compared columns of a loaded record."""

    file_id: int
    kind: str
    name: str
    content_hash: str | None
    rows_loaded: int
    rows_rejected: int


class RowCheck:
    """Compares stored rows with the model, value by value."""

    def __init__(self, platform: SoakPlatform, model: Model, report: Report) -> None:
        self._platform, self._model, self._report = platform, model, report

    def check(self) -> Trips:
        """Runs all comparisons; returns the current trips."""
        counted = self._check_files()
        self._check_posts()
        return join(
            [content.trips for content in counted]
            + [post.trips for post in self._model.posts() if post.acknowledged]
        )

    def _check_files(self) -> list[Content]:
        """Checks that each current content is stored once, row by row, with its rejects."""
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
        """Checks that every post is stored once, however its attempts ended."""
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
