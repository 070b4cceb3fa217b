"""Events: the end of every file is published once."""

from collections import Counter

from tests.soak.listeners import TERMINAL
from tests.soak.model import Model
from tests.soak.platform import SoakPlatform
from tests.soak.report import Report


class EventCheck:
    """Compares the outbox with the ledger."""

    def __init__(self, platform: SoakPlatform, model: Model, report: Report) -> None:
        self._platform, self._model, self._report = platform, model, report

    def check(self) -> None:
        """Checks that the final state of every record was published, and exactly once if it could end only once."""
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
