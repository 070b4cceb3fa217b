"""The plot of a backtest: the share of the week's trips that the first shifts of each method cover."""

import io

import pandas as pd
from matplotlib.figure import Figure

_COLOURS = ("#1f77b4", "#d95f02", "#7f7f7f")


def plot_backtest(frame: pd.DataFrame, title: str) -> bytes:
    """Return a PNG.

    Args:
        frame: figures as from `to_frame`.
        title: title of the plot.
    """
    figure = Figure(figsize=(5.2, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    methods = frame.groupby("method", sort=False)
    for (method, rows), colour in zip(methods, _COLOURS, strict=True):
        axes.plot(rows["first"], 100 * rows["covered"], "o-", ms=3, color=colour, label=method)
    axes.set_xscale("log")
    counts = frame["first"].unique()
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
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
