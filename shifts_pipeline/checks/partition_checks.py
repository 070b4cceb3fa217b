"""Check results of single partitions, from a run over several."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import psycopg

from shifts_pipeline.storage import pair_checks

_MAX_REGIONS_NAMED = 20


def check_of_week(
    connection: psycopg.Connection, check: dg.AssetCheckKey, week: date
) -> dg.AssetCheckEvaluation:
    """The evaluation of a check for a week. It passes while the last refresh of each of the week's pairs passed it.

    So the pass of one region does not hide the failure of another.
    """
    failed, examples = pair_checks.failures(connection, week, check.name, _MAX_REGIONS_NAMED)
    return dg.AssetCheckEvaluation(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=not failed,
        metadata={"failed_regions": failed, **({"examples": examples} if examples else {})},
        partition=week.isoformat(),
    )


def check_outputs(context: dg.AssetExecutionContext) -> Iterator[dg.Output[Any]]:
    """Yields the outputs of the checks whose evaluations a step has yielded as `AssetCheckEvaluation`s.

    Dagster expects an output for each check. `AssetCheckResult` would provide it, but names no partition in a run
    over a range of partitions.
    """
    for key in context.selected_asset_check_keys:
        yield dg.Output(None, output_name=f"{key.asset_key.to_python_identifier()}_{key.name}")
