"""How an asset ends a step that evaluated its checks for single partitions."""

from collections.abc import Iterator
from typing import Any

import dagster as dg


def check_outputs(context: dg.AssetExecutionContext) -> Iterator[dg.Output[Any]]:
    """Yields the outputs of the checks whose evaluations a step has yielded as `AssetCheckEvaluation`s.

    Dagster expects an output for each check. `AssetCheckResult` would provide it, but names no partition in a run
    over a range of partitions.
    """
    for key in context.selected_asset_check_keys:
        yield dg.Output(None, output_name=f"{key.asset_key.to_python_identifier()}_{key.name}")
