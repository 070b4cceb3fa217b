"""Compiles the CSV writer before its first use; installation runs `python -m shifts_platform.generator.warm_up`."""

from shifts_platform.generator.csv_text import format_csv
from shifts_platform.generator.trips import generate_trips


def main() -> None:
    """Write a few lines; numba caches the code beside its source."""
    for chunk in generate_trips(100, seed=0):
        format_csv(chunk)


if __name__ == "__main__":
    main()
