"""The figures of a backtest as a frame, and as a table in the terminal."""

from collections.abc import Iterable
from dataclasses import asdict

import pandas as pd
from rich.table import Table

from shifts_core.shifts.backtest import Fit

_COLUMNS = {
    "first": ("first", "{:,}"),
    "shifts": ("of", "{:,}"),
    "covered": ("covered", "{:.1%}"),
    "departures": ("departures", "{:,}"),
    "enough": ("enough", "{:.0%}"),
    "error": ("error", "{:.1f}"),
    "bias": ("bias", "{:+.1f}"),
    "within": ("in range", "{:.0%}"),
}
"""Heading and format of the columns of figures."""


def to_frame(fits: Iterable[Fit]) -> pd.DataFrame:
    """Return a row for each method and number of shifts; the columns are the fields of `Fit`."""
    return pd.DataFrame([asdict(fit) for fit in fits])


def backtest_table(frame: pd.DataFrame, title: str) -> Table:
    """Return the figures as a table, in which what a method does not state is empty."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    for heading, _ in _COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    formats = [form for _, form in _COLUMNS.values()]
    rows = frame[list(_COLUMNS)].itertuples(index=False)
    for method, row, repeated in zip(frame["method"], rows, frame["method"].duplicated(), strict=True):
        cells = [
            "" if pd.isna(value) else form.format(value) for value, form in zip(row, formats, strict=True)
        ]
        table.add_row("" if repeated else method, *cells)
    return table
