"""The table of a sweep in the terminal."""

import pandas as pd
from rich.table import Table

from shifts_core.clustering.estimator import TripClusterer
from shifts_platform.tuning.sweep import is_current

_COLUMNS = {
    "max_radius_m": ("radius m", "{:g}"),
    "min_trips": ("min trips", "{:.0f}"),
    "eps_m": ("eps m", "{:g}"),
    "clusters": ("clusters", "{:,.0f}"),
    "share_clustered": ("clustered", "{:.1%}"),
    "largest_cluster": ("largest", "{:,.0f}"),
    "radius_m_median": ("p50 m", "{:.0f}"),
    "radius_m_p95": ("p95 m", "{:.0f}"),
    "radius_m_max": ("max m", "{:.0f}"),
    "seconds": ("s", "{:.2f}"),
}
"""Heading and format of the columns of the frame that are shown."""


def sweep_table(frame: pd.DataFrame, current: TripClusterer, title: str) -> Table:
    """Return the outcomes as a table in which the row with the parameters of `current` is marked."""
    table = Table(
        title=title,
        title_justify="left",
        caption="* current settings",
        caption_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for heading, _ in _COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    rows = frame[list(_COLUMNS)].itertuples(index=False)
    formats = [form for _, form in _COLUMNS.values()]
    for row, marked in zip(rows, is_current(frame, current), strict=True):
        cells = [
            "" if pd.isna(value) else form.format(value) for value, form in zip(row, formats, strict=True)
        ]
        table.add_row(("*" if marked else "") + cells[0], *cells[1:])
    return table
