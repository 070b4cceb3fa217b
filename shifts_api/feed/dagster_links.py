"""Links from events of the feed to pages of the Dagster UI."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

CODE_LOCATION = "shifts"
"""Name of the pipeline's code location in `workspace.yaml`."""


def dagster_link(dagster_url: str, run_id: str | None, details: Mapping[str, Any]) -> str | None:
    """The page of an event's run, or of the sensor or schedule that failed; None if it has neither.

    Args:
        dagster_url: base URL of the Dagster UI, without a slash at its end.
        run_id: of the event.
        details: of the event; a failed tick names its `sensor` or `schedule`.
    """
    if run_id:
        return f"{dagster_url}/runs/{quote(run_id, safe='')}"
    for kind in ("sensor", "schedule"):
        if name := details.get(kind):
            return f"{dagster_url}/locations/{CODE_LOCATION}/{kind}s/{quote(str(name), safe='')}"
    return None
