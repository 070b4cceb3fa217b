"""Draws docs/shifts.png from generated trips: `python docs/shifts_picture.py`."""

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from shifts_core.clustering.projection import to_plane
from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.making import MadeShifts, make_shifts
from shifts_core.shifts.parameters import ShiftParameters
from shifts_core.shifts.trip_index import covered_trips, index_trips
from shifts_platform.generator.city import City
from shifts_platform.generator.trips import generate_trips

_WEEKS = 4
_TOWN = City("Town", 7.6869, 45.0703, reach_m=3_000, weight=1)
_DRAWN = 40
_PICKUP, _DROPOFF, _PALE = "#1f77b4", "#d95f02", "#9a9a9a"
_MONDAY = np.datetime64("1970-01-05")


def main() -> None:
    """Draw the best shifts of a town, and the trips of one of them."""
    history, week = _history()
    made = make_shifts(history, week, _WEEKS, ShiftParameters())
    figure = Figure(figsize=(9.6, 3.8), dpi=84, layout="constrained")
    town, days = figure.subplots(1, 2)
    _draw_shifts(town, made)
    _draw_departures(days, history, made, _example(made), week)
    target = Path(__file__).with_name("shifts.png")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    Image.open(buffer).convert("RGB").quantize(64).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


def _history() -> tuple[TripHistory, int]:
    """Return the trips of the town, and the number of their last week."""
    (trips,) = generate_trips(60_000, seed=4, weeks=_WEEKS, cities=(_TOWN,))
    dates = trips.moments.astype("datetime64[D]")
    times_s = (trips.moments - dates) / np.timedelta64(1, "s")
    history, _ = TripHistory.of(trips.od_coords, times_s, (dates - _MONDAY).astype(np.int64))
    return history, int(history.days[-1]) // 7


def _example(made: MadeShifts) -> int:
    """Return the shift with the most riders of those that do not run every day."""
    return int(np.argmax(np.where(made.shifts.runs_on.sum(axis=1) < 7, made.shifts.riders, 0)))


def _draw_shifts(panel: Axes, made: MadeShifts) -> None:
    ends = to_plane(made.shifts.places[:_DRAWN]) / 1_000
    for (x, y, to_x, to_y), riders in zip(ends, made.shifts.riders[:_DRAWN], strict=True):
        panel.plot([x, to_x], [y, to_y], color=_PALE, linewidth=riders / 8, zorder=1)
    panel.scatter(ends[:, 0], ends[:, 1], 14, color=_PICKUP, zorder=2)
    panel.scatter(ends[:, 2], ends[:, 3], 14, color=_DROPOFF, zorder=2)
    panel.set_title(f"the best {len(ends)} of {len(made.shifts)} shifts", fontsize=8)
    panel.set_aspect("equal")
    panel.tick_params(labelsize=6)
    panel.set_xlabel("km", fontsize=7)


def _draw_departures(panel: Axes, history: TripHistory, made: MadeShifts, shift: int, week: int) -> None:
    radius_m = ShiftParameters().max_radius_m
    all_day = np.array([[0.0, 86_399.0]])
    index = index_trips(history.od_coords, history.times_s, radius_m)
    near = covered_trips(index, made.shifts.places[[shift]], all_day, radius_m).trips
    day = history.days[near] - 7 * (week - _WEEKS + 1)
    counts = made.assigned[near] == shift
    earliest, latest = made.shifts.windows_s[shift] / 3_600
    panel.axhspan(earliest, latest, color="#e4e4e4")
    for mask, colour in ((~counts, _PALE), (counts, _PICKUP)):
        panel.scatter(day[mask], history.times_s[near][mask] / 3_600, 5, color=colour)
    names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    runs = ", ".join(name for name, own in zip(names, made.shifts.runs_on[shift], strict=True) if own)
    panel.set_title(
        f"one shift: {runs}, {_clock(made.shifts.departs_s[shift])}, {made.shifts.riders[shift]:.0f} riders",
        fontsize=8,
    )
    panel.set(
        xticks=range(0, 7 * _WEEKS, 7), xticklabels=[f"week {number}" for number in range(1, _WEEKS + 1)]
    )
    panel.set_ylim(max(earliest - 2, 0), min(latest + 2, 24))
    panel.tick_params(labelsize=6)
    panel.set_ylabel("hour", fontsize=7)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3_600}:{int(seconds) // 60 % 60:02d}"


if __name__ == "__main__":
    main()
