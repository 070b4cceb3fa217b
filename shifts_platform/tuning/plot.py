"""What a sweep looks like: the share of trips in groups over eps, a panel for each radius."""

import io
from collections.abc import Sequence

from shifts_core.clustering.clusters import Similarity
from shifts_platform.tuning.sweep import Outcome

_COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e")


def draw_sweep(outcomes: Sequence[Outcome], in_force: Similarity, title: str) -> bytes:
    """A PNG.

    Args:
        outcomes: at least one.
        in_force: marked where it is among them.
        title: above the picture.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  half a second that other uses need not pay

    radii = sorted({outcome.similarity.max_radius_m for outcome in outcomes})
    least = sorted({outcome.similarity.min_trips for outcome in outcomes})
    figure = Figure(figsize=(1.2 + 3.0 * len(radii), 3.4), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(radii), sharey=True, squeeze=False)[0]
    for panel, radius in zip(panels, radii, strict=True):
        for number, trips in enumerate(least):
            line = [
                (outcome.similarity.eps_m, 100 * outcome.share)
                for outcome in outcomes
                if (outcome.similarity.max_radius_m, outcome.similarity.min_trips) == (radius, trips)
            ]
            colour = _COLOURS[number % len(_COLOURS)]
            panel.plot(*zip(*line, strict=True), "o-", ms=3, color=colour, label=f"{trips} trips or more")
        for outcome in outcomes:
            if outcome.similarity == in_force and radius == in_force.max_radius_m:
                panel.plot(
                    *(in_force.eps_m, 100 * outcome.share),
                    "o",
                    ms=11,
                    mfc="none",
                    mec="black",
                    label="in force",
                )
        panel.set_title(f"within {radius:g} m", fontsize=9)
        panel.set_xlabel("eps in metres", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("trips in groups, %", fontsize=8)
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
