"""Compiles what is compiled, at install: else the first load and the first grouping would wait for it."""

import io
from datetime import date, timedelta

from shifts_pipeline.generator.csv_text import HEADER, format_csv
from shifts_pipeline.generator.trips import DEFAULT_FIRST_WEEK, generate_trips
from shifts_pipeline.loading.read_csv import read_csv
from shifts_pipeline.loading.report import Calendar
from shifts_pipeline.similarity.groups import Similarity, find_groups


def main() -> None:
    """Reads and groups a few generated trips; the compiled code is kept beside its source or in the user's cache."""
    (chunk,) = generate_trips(2_000, seed=0)
    calendar = Calendar(DEFAULT_FIRST_WEEK, date.today() + timedelta(weeks=1))  # noqa: DTZ011
    (batch,) = read_csv(io.BytesIO(HEADER + format_csv(chunk)), calendar)
    find_groups(batch.points, batch.started_at / 1e6 % 86_400, Similarity())


if __name__ == "__main__":
    main()
