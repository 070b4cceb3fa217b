"""A file of nothing but rejects fails early, and what is stored of it is limited."""

import gzip

import psycopg
import pytest

from shifts_core.trips.report import Progress
from shifts_pipeline.storage import write_trips
from shifts_pipeline.storage.file_audit import rows_match_ledger
from shifts_pipeline.storage.ledger import FileRecord
from tests.integration.loading.loading import Loader
from tests.unit.core.trips.reading import HEADER, LINE

SIZE = "SELECT pg_total_relation_size('shifts_store.rejected_rows')"


def test_a_small_file_of_millions_of_empty_lines_fails_after_the_first_of_them(loader: Loader) -> None:
    loader.max_rejected_share = 0.5
    loader.landing.joinpath("a.csv.gz").write_bytes(gzip.compress(HEADER + b"\n" * 3_000_000))
    assert loader.landing.joinpath("a.csv.gz").stat().st_size < 4_000
    seen: list[int] = []

    def note(record: FileRecord, progress: Progress) -> None:
        seen.append(progress.rows)

    record = loader.load("a.csv.gz", note).record
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.startswith("262,144 of 262,144 rows are no trips, more than 50%")
    assert record.error.endswith("the line is empty; first on line 2")
    assert seen == []
    ((size,),) = loader.query(SIZE)
    assert size < 32 * 1024**2


def test_of_more_rejects_than_are_kept_all_are_counted(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("shifts_pipeline.storage.file_audit", "shifts_pipeline.storage.write_trips"):
        monkeypatch.setattr(f"{module}.MAX_STORED_REJECTS", 100)
    loader.put("a.csv", HEADER + (LINE + b"bad\n") * 1_000)
    record = loader.load("a.csv").record
    assert (record.status, record.rows_loaded, record.rows_rejected) == ("loaded", 1_000, 1_000)
    assert loader.query("SELECT count(*), max(line) FROM shifts.rejects") == [(100, 201)]
    with psycopg.connect(loader.url) as connection:
        assert rows_match_ledger(connection, record.file_id)
        connection.execute("DELETE FROM shifts_store.rejected_rows WHERE line = 3")
        assert not rows_match_ledger(connection, record.file_id)


def test_the_text_of_rejects_is_kept_up_to_its_limit(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("shifts_pipeline.storage.file_audit", "shifts_pipeline.storage.write_trips"):
        monkeypatch.setattr(f"{module}.MAX_STORED_REJECT_BYTES", 50_000)
    loader.put("a.csv", HEADER + LINE + b"\xff" * 9_000 + b"\n" + (b"x" * 9_000 + b"\n") * 20)
    record = loader.load("a.csv").record
    assert (record.rows_loaded, record.rows_rejected) == (1, 21)
    ((count, size),) = loader.query("SELECT count(*), sum(octet_length(raw)) FROM shifts.rejects")
    assert count < 21
    assert 50_000 <= size < 50_000 + 4 * 10_000
    with psycopg.connect(loader.url) as connection:
        assert rows_match_ledger(connection, record.file_id)
    assert write_trips.MAX_STORED_REJECT_BYTES == 50_000
