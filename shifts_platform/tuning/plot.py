"""The plot of a sweep: share of clustered trips over eps, one panel for each radius."""

import io

import pandas as pd
from matplotlib.figure import Figure

from shifts_core.clustering.estimator import TripClusterer
from shifts_platform.tuning.sweep import is_current

_COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e")


def plot_sweep(frame: pd.DataFrame, current: TripClusterer, title: str) -> bytes:
    """Return a PNG.

    Args:
        frame: outcomes as from `to_frame`, at least one.
        current: its parameters are marked where the sweep contains them.
        title: title of the plot.
    """
    radii = frame["max_radius_m"].unique()
    figure = Figure(figsize=(1.2 + 3.0 * len(radii), 3.4), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(radii), sharey=True, squeeze=False)[0]
    for panel, radius in zip(panels, radii, strict=True):
        rows = frame[frame["max_radius_m"] == radius]
        for number, (min_trips, line) in enumerate(rows.groupby("min_trips")):
            panel.plot(
                line["eps_m"],
                100 * line["share_clustered"],
                "o-",
                ms=3,
                color=_COLOURS[number % len(_COLOURS)],
                label=f"min_trips {min_trips}",
            )
        marked = rows[is_current(rows, current)]
        if len(marked):
            panel.plot(
                marked["eps_m"],
                100 * marked["share_clustered"],
                "o",
                ms=11,
                mfc="none",
                mec="black",
                label="current settings",
            )
        panel.set_title(f"max_radius {radius:g} m", fontsize=9)
        panel.set_xlabel("eps in metres", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("trips in clusters, %", fontsize=8)
    panels[0].set_ylim(bottom=0)
    handles = {
        label: handle
        for panel in panels
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", fontsize=7)
    figure.suptitle(title, fontsize=9, parse_math=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
