"""The plot of a backtest: the share of the trips of weeks that the first shifts of each method cover."""

import io
from collections.abc import Sequence

import numpy as np

from shifts_core.shifts.backtest import FIRST_SHIFTS, Fit
from shifts_core.shifts.backtest_week import METHODS

_COLOURS = ("#1f77b4", "#d95f02", "#7f7f7f")


def plot_backtest(weeks: Sequence[Sequence[Fit]], title: str) -> bytes:
    """Return a PNG with a line for the mean of each method, and thin ones for each week if there are several.

    Args:
        weeks: the results of each week, at least one.
        title: title of the plot.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  takes 0.5 s, which runs without plots need not pay

    figure = Figure(figsize=(5.2, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    for method, colour in zip(METHODS, _COLOURS, strict=True):
        shares = 100 * np.array([[fit.covered for fit in fits if fit.method == method] for fits in weeks])
        if len(weeks) > 1:
            axes.plot(FIRST_SHIFTS, shares.T, "-", lw=0.6, alpha=0.4, color=colour)
        axes.plot(FIRST_SHIFTS, shares.mean(axis=0), "o-", ms=3, color=colour, label=method)
    axes.set_xscale("log")
    axes.set_xticks(FIRST_SHIFTS, [f"{count:,}" for count in FIRST_SHIFTS])
    axes.minorticks_off()
    axes.set_xlabel("first shifts or clusters", fontsize=8)
    axes.set_ylabel("trips of the week covered, %", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    axes.set_title(title, fontsize=9, parse_math=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
