"""A whole CSV file of generated trips, block by block."""

from collections.abc import Iterator
from datetime import date

from shifts_platform.generator.city import DEFAULT_CITIES, City
from shifts_platform.generator.corruptions import format_with_broken
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
) -> Iterator[tuple[int, bytes]]:
    """The header, then the lines of `count` trips: (how many lines of trips, their bytes).

    Of the lines, exactly round(count * bad_share) are broken instead; the others stay as they are without it.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 <= bad_share <= 1:
        raise ValueError(f"a share of {bad_share} broken lines is out of range, 0 to 1")
    chunks = generate_trips(count, seed=seed, weeks=weeks, first_week=first_week, cities=cities)
    yield 0, HEADER
    for chunk in chunks:
        if bad_share:
            yield len(chunk), format_with_broken(chunk, seed=seed, trips=count, share=bad_share)
        else:
            yield len(chunk), format_csv(chunk)
