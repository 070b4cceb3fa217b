"""The asset `shift_backtest`: how well shifts made from earlier weeks alone fit the weeks that followed."""

import base64
from collections.abc import Sequence
from datetime import date

import dagster as dg
from pydantic import Field

from shifts_core.shifts.backtest import Fit
from shifts_pipeline.asset_keys import SHIFT_BACKTEST, SHIFTS
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.display_text import printable
from shifts_pipeline.jobs.asset_jobs import WEEKLY_POOL
from shifts_pipeline.resources.clustering import ClusteringParameters
from shifts_pipeline.resources.shift_making import ShiftMaking
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock

_DESCRIPTION = """\
How well shifts made from earlier weeks alone fit the weeks that followed.

For each tested week: the share of its trips that the first shifts cover, the share of departures with enough riders,
and the error of expected riders; beside last week's clusters, and the week's own clusters, which are known in
hindsight only.

Materialize it to test a region again: it takes about as long as making the shifts of the tested weeks, and changes
nothing else. The command `shifts backtest` writes the same figures as CSV.
"""
_COLUMNS = {
    "week": ("string", "Tested week."),
    "method": ("string", "What was made from the weeks before, or in hindsight."),
    "first": ("int", "Number of shifts or clusters, the best ones."),
    "covered": ("float", "Share of the week's trips that they cover, a trip counting once."),
    "departures": ("int", "Their departures in the week."),
    "enough": ("float", "Share of the departures with at least the least number of riders."),
    "error": ("float", "Mean absolute difference between expected riders and riders of a departure."),
    "bias": ("float", "Mean of expected riders less riders."),
    "within": (
        "float",
        "Share of the departures with riders in the expected range; null if the method has none.",
    ),
}
_SCHEMA = dg.TableSchema(
    [dg.TableColumn(name, kind, description) for name, (kind, description) in _COLUMNS.items()]
)


class BacktestConfig(dg.Config):
    """What to test."""

    region: str = Field("", description="Name of the region; if empty, the one with the most trips.")
    weeks: int = Field(8, ge=1, description="Number of weeks to test, the newest ones that have a history.")


@dg.asset(
    key=SHIFT_BACKTEST,
    deps=[SHIFTS],
    group_name="trips",
    kinds={"numba"},
    owners=["team:platform"],
    description=_DESCRIPTION,
    metadata={"dagster/column_schema": _SCHEMA},
    pool=WEEKLY_POOL,
)
def shift_backtest(
    context: dg.AssetExecutionContext,
    config: BacktestConfig,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    clustering: ClusteringParameters,
    shift_making: ShiftMaking,
) -> dg.MaterializeResult[None]:
    """Tests the newest weeks of a region."""
    # Imported by runs that need it: scipy and the compiled search take a second.
    from shifts_core.shifts.backtest_week import BacktestOptions  # noqa: PLC0415
    from shifts_pipeline.storage.shifts.backtest import backtest_weeks, testable_weeks  # noqa: PLC0415
    from shifts_pipeline.storage.shifts.regions import find_weeks  # noqa: PLC0415

    del worker_lock  # held for the whole run
    making = shift_making.options()
    options = BacktestOptions(making.weeks, making.parameters, clustering.eps_m, clustering.min_trips)
    with trips_database.connect(autocommit=True) as connection:
        region, weeks = find_weeks(connection, config.region)
        tested = testable_weeks(weeks, options)[-config.weeks :]
        if not tested:
            raise dg.Failure(
                f"{printable(region) or 'no region'} has no week with trips in the weeks before it"
            )
        found: dict[date, list[Fit]] = {}
        for week, fits in backtest_weeks(connection, region, weeks, tested, options, lambda: None):
            found[week] = fits
            context.log.info("%s of %s weeks", len(found), len(tested))
    title = f"{printable(region)} {tested[0]:%G-W%V} to {tested[-1]:%G-W%V}"
    metadata: dict[str, dg.MetadataValue] = {
        "region": dg.MetadataValue.text(printable(region)),
        "weeks": dg.MetadataValue.int(len(found)),
        "mean": dg.MetadataValue.table(_means(list(found.values()))),
        "by_week": dg.MetadataValue.table(
            [_record(f"{week:%G-W%V}", fit) for week, fits in found.items() for fit in fits], _SCHEMA
        ),
    }
    metadata |= optional_metadata(context.log, lambda: {"plot": _plot(list(found.values()), title)})
    return dg.MaterializeResult(metadata=metadata)


def _record(week: str, fit: Fit) -> dg.TableRecord:
    values = {name: getattr(fit, name) for name in _COLUMNS if name != "week"}
    rounded = {name: _rounded(value) if isinstance(value, float) else value for name, value in values.items()}
    return dg.TableRecord({"week": week, **rounded})


def _means(weeks: Sequence[Sequence[Fit]]) -> list[dg.TableRecord]:
    """The means over the weeks: a row for each method, the covered share of each number of shifts as a column."""
    covered: dict[str, dict[int, list[float]]] = {}
    for fits in weeks:
        for fit in fits:
            covered.setdefault(fit.method, {}).setdefault(fit.first, []).append(fit.covered)
    return [
        dg.TableRecord(
            {"method": method}
            | {f"covered_by_first_{first}": _rounded(sum(each) / len(each)) for first, each in shares.items()}
        )
        for method, shares in covered.items()
    ]


def _rounded(value: float) -> float | None:
    """A figure, or None for NaN, which JSON does not have."""
    return None if value != value else round(value, 4)  # noqa: PLR0124


def _plot(weeks: Sequence[Sequence[Fit]], title: str) -> dg.MarkdownMetadataValue:
    from shifts_pipeline.backtest_plot import plot_backtest  # noqa: PLC0415  matplotlib takes 0.5 s

    picture = base64.b64encode(plot_backtest(weeks, title)).decode()
    return dg.MetadataValue.md(f"![picture](data:image/png;base64,{picture})")
