"""A sweep over what counts as similar: what each choice makes of the same trips, so that nobody has to guess."""

import csv
import io
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.clusters import Similarity, find_groups

COLUMNS = (
    *("eps_m", "min_trips", "max_radius_m", "window_minutes", "trips", "trips_grouped", "share_grouped"),
    *("groups", "largest_group", "radius_m_median", "radius_m_p95", "radius_m_largest", "seconds"),
)
"""Of the sweep as CSV, a line for each choice."""

_WARM_UP_TRIPS = 1_000


@dataclass(frozen=True)
class Outcome:
    """What one choice made of the trips."""

    similarity: Similarity
    trips: int
    grouped: int
    """Trips in groups."""
    groups: int
    largest: int
    """Trips of the largest group."""
    radii_m: tuple[float, float, float] | None
    """Median, 95 % and largest of the groups' radii; None without groups."""
    seconds: float

    @property
    def share(self) -> float:
        """Of the trips, those in groups."""
        return self.grouped / max(self.trips, 1)


def grid(
    base: Similarity, eps_m: Iterable[float], min_trips: Iterable[int], max_radius_m: Iterable[float]
) -> list[Similarity]:
    """Every combination of the values, each once, in rising order; the window stays that of `base`.

    Raises:
        ValueError: a value is out of range.
    """
    values = (sorted(set(max_radius_m)), sorted(set(min_trips)), sorted(set(eps_m)))
    return [
        replace(base, max_radius_m=radius, min_trips=trips, eps_m=eps)
        for radius, trips, eps in product(*values)
    ]


def sweep(
    ends: NDArray[np.float64], times_s: NDArray[np.float64], choices: Sequence[Similarity]
) -> Iterator[Outcome]:
    """Groups the trips with one choice after the other; arguments as of `find_groups`."""
    # Compiled code is loaded with its first call, which must not count as the first choice's time.
    find_groups(ends[:_WARM_UP_TRIPS], times_s[:_WARM_UP_TRIPS], choices[0])
    for similarity in choices:
        begun = time.perf_counter()
        found = find_groups(ends, times_s, similarity)
        seconds = time.perf_counter() - begun
        radii = None
        if len(found.sizes):
            median, p95, largest = np.percentile(found.radii_m, [50, 95, 100]).tolist()
            radii = (median, p95, largest)
        yield Outcome(
            similarity,
            len(ends),
            int(found.sizes.sum()),
            len(found.sizes),
            int(found.sizes.max(initial=0)),
            radii,
            seconds,
        )


def to_csv(outcomes: Iterable[Outcome]) -> str:
    """The sweep as CSV; radii are empty where there is no group."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for outcome in outcomes:
        similarity = outcome.similarity
        radii = outcome.radii_m and tuple(round(radius, 1) for radius in outcome.radii_m)
        writer.writerow(
            (
                f"{similarity.eps_m:g}",
                similarity.min_trips,
                f"{similarity.max_radius_m:g}",
                f"{similarity.window_s / 60:g}",
                outcome.trips,
                outcome.grouped,
                f"{outcome.share:.4f}",
                outcome.groups,
                outcome.largest,
                *(radii or ("", "", "")),
                f"{outcome.seconds:.3f}",
            )
        )
    return text.getvalue()
