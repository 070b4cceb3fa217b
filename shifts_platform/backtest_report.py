"""The figures of a backtest as a frame, and as tables in the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date

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
"""Heading and format of the columns of figures of a week."""


def to_frame(weeks: Mapping[date, Sequence[Fit]]) -> pd.DataFrame:
    """Return a row for each week, method and number of shifts; the columns are the week and the fields of `Fit`."""
    rows = [{"week": f"{week:%G-W%V}", **asdict(fit)} for week, fits in weeks.items() for fit in fits]
    return pd.DataFrame(rows)


def week_table(frame: pd.DataFrame, title: str) -> Table:
    """Return the figures of one week, in which what a method does not state is empty."""
    table = _new_table(title, "method", [heading for heading, _ in _COLUMNS.values()])
    formats = [form for _, form in _COLUMNS.values()]
    rows = frame[list(_COLUMNS)].itertuples(index=False)
    for method, row, repeated in zip(frame["method"], rows, frame["method"].duplicated(), strict=True):
        cells = [
            "" if pd.isna(value) else form.format(value) for value, form in zip(row, formats, strict=True)
        ]
        table.add_row("" if repeated else method, *cells)
    return table


def weeks_table(frame: pd.DataFrame, title: str) -> Table:
    """Return the covered shares of several weeks: a block for each method, with the mean of the weeks at its end."""
    counts = frame["first"].unique().tolist()
    table = _new_table(title, "covered by the first", ["week", *(f"{count:,}" for count in counts)])
    for method, rows in frame.groupby("method", sort=False):
        shares = rows.pivot(index="week", columns="first", values="covered")
        for number, (week, row) in enumerate(shares.iterrows()):
            table.add_row("" if number else str(method), str(week), *map("{:.1%}".format, row))
        table.add_row("", "mean", *map("{:.1%}".format, shares.mean()), style="bold")
    return table


def _new_table(title: str, first: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
