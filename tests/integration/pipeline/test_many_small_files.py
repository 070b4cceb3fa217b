"""Hundreds of small files at once, ten of them invalid: each is loaded or fails alone, and the counts are exact."""

import random

from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import MAX_NAMES_REQUESTED_PER_TICK, queued_files
from tests.integration.pipeline.harness import HEADER, Pipeline, row

FILES, ROWS = 200, 50
INVALID = {
    "invalid 0.csv": (HEADER.replace("datetime", "when"), "missing column datetime"),
    "invalid 1.csv": ("", "the file is empty"),
    "invalid 2.csv": (HEADER, "holds no trips"),
    "invalid 3.csv": (HEADER + "x\n" * ROWS, "50 of 50 rows are no trips"),
    "invalid 4.csv": ("\0" * 100, "missing columns"),
    "invalid 5.csv": ("PK\x03\x04", "zip archive or a spreadsheet"),
    "invalid 6.csv": (HEADER.replace("region", "region,region"), "column region appears twice"),
    "invalid 7.csv.gz": ("not packed", "broken or cut off"),
    "invalid 8.parquet": ("PAR1", "not a valid Parquet file"),
    "invalid 9.txt": (HEADER + row(), "must end in .csv, .csv.gz or .parquet"),
}


def healthy(number: int) -> str:
    """Trips of which one is a reject."""
    rng = random.Random(number)
    lines = [
        row(
            rng.choice(["Hamburg", "Prague", "Turin"]),
            f"2018-05-{rng.randint(1, 31):02} {rng.randint(0, 23):02}:00:00",
            (7.0, 45.0 + number / 10_000),
        )
        for _ in range(ROWS - 1)
    ]
    return HEADER + "".join(lines) + "Turin,nowhere\n"


def test_hundreds_of_files_are_loaded_and_ten_invalid_ones_fail_alone_with_their_reasons(
    pipeline: Pipeline,
) -> None:
    for name, (text, _) in INVALID.items():
        pipeline.put(name, text)
    for number in range(FILES - len(INVALID)):
        pipeline.put(f"healthy {number}.csv", healthy(number))
    pipeline.tick(landing_zone)
    for _ in range(-(-FILES // MAX_NAMES_REQUESTED_PER_TICK)):
        (request,) = pipeline.tick(queued_files).run_requests
        pipeline.run("load_trip_files", dict(request.tags))
    ledger = pipeline.ledger()
    assert len(ledger) == FILES
    assert {name for name, (status, _, _) in ledger.items() if status == "failed"} == set(INVALID)
    assert {end for name, end in ledger.items() if name not in INVALID} == {("loaded", ROWS - 1, 1)}
    healthy_files = FILES - len(INVALID)
    assert pipeline.trips() == healthy_files * (ROWS - 1)
    assert pipeline.query("SELECT count(*) FROM shifts.rejects") == [(healthy_files,)]
    assert pipeline.query("SELECT sum(trips) FROM shifts.weekly") == [(healthy_files * (ROWS - 1),)]
    errors = dict(pipeline.query("SELECT name, error FROM shifts.files WHERE status = 'failed'"))
    for name, (_, said) in INVALID.items():
        assert said in errors[name]
    assert pipeline.tick(queued_files).run_requests == []
