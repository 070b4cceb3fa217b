"""Asset checks that are evaluated for each partition of a run over many."""

from collections.abc import Iterator
from typing import Any

import dagster as dg


def check_outputs(context: dg.AssetExecutionContext) -> Iterator[dg.Output[Any]]:
    """What a step must yield at its end for checks whose evaluations it has yielded by partition.

    An `AssetCheckResult` would say this too, but in a run over a range it names no partition.
    """
    for key in context.selected_asset_check_keys:
        yield dg.Output(None, output_name=f"{key.asset_key.to_python_identifier()}_{key.name}")
