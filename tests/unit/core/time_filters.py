"""Random weekdays and time windows, and what they match, minute by minute."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from shifts_core.time_filter import WEEKDAYS, TimeFilter, TimeWindow


@st.composite
def time_filters(draw: st.DrawFn) -> TimeFilter:
    """Filters of weekdays, of a window, or of both."""
    chosen = draw(st.none() | st.sets(st.sampled_from(WEEKDAYS), min_size=1))
    weekdays = None if chosen is None else tuple(day for day in WEEKDAYS if day in chosen)
    if draw(st.booleans()):
        return TimeFilter(weekdays)
    start = draw(st.integers(0, 1439) | st.sampled_from([0, 360, 480, 1439]))
    end = draw(
        (st.integers(0, 1440) | st.sampled_from([0, 480, 1440])).filter(lambda minute: minute != start)
    )
    return TimeFilter(weekdays, TimeWindow(start, end))


def matches_time(minutes: NDArray[np.uint16], times: TimeFilter) -> NDArray[np.bool_]:
    """Which minutes of the week match."""
    days, of_day = np.divmod(minutes.astype(np.int64), 1440)
    matching = np.ones(len(minutes), bool)
    if times.weekdays is not None:
        matching &= np.isin(days, [WEEKDAYS.index(day) for day in times.weekdays])
    if times.window is not None:
        start, end = times.window
        since, until = of_day >= start, of_day < end
        matching &= (since & until) if start < end else (since | until)
    return matching
