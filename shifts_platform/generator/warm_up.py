"""Compiles the CSV writer ahead of its first use; `python -m shifts_platform.generator.warm_up` runs at install."""

from shifts_platform.generator.csv_text import format_csv
from shifts_platform.generator.trips import generate_trips


def main() -> None:
    """Writes a few lines; numba caches the code beside its source."""
    for chunk in generate_trips(100, seed=0):
        format_csv(chunk)


if __name__ == "__main__":
    main()
