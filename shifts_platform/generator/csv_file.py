"""A complete CSV file of generated trips, block by block."""

from collections.abc import Iterator
from datetime import date

from shifts_platform.generator.city import DEFAULT_CITIES, City
from shifts_platform.generator.commutes import Commutes
from shifts_platform.generator.corruptions import format_with_corruptions
from shifts_platform.generator.csv_text import HEADER, format_csv
from shifts_platform.generator.trips import DEFAULT_FIRST_WEEK, generate_trips


def csv_blocks(
    count: int,
    *,
    seed: int,
    weeks: int = 5,
    first_week: date = DEFAULT_FIRST_WEEK,
    cities: tuple[City, ...] = DEFAULT_CITIES,
    bad_share: float = 0.0,
    commutes: Commutes | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Yield the header, then the lines of `count` trips, as (number of trips, bytes).

    Exactly round(count * bad_share) of the lines are corrupted; the other lines do not depend on `bad_share`.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 <= bad_share <= 1:
        raise ValueError(f"the share of corrupted lines must be between 0 and 1, got {bad_share}")
    chunks = generate_trips(
        count, seed=seed, weeks=weeks, first_week=first_week, cities=cities, commutes=commutes
    )
    yield 0, HEADER
    for chunk in chunks:
        if bad_share:
            yield len(chunk), format_with_corruptions(chunk, seed=seed, trips=count, share=bad_share)
        else:
            yield len(chunk), format_csv(chunk)
