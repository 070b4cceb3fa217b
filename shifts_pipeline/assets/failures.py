"""The failure of a run in which some files or pairs failed."""

from collections.abc import Sequence

import dagster as dg

_MAX_NAMED = 20


def failure_of(kind: str, reasons: Sequence[str]) -> dg.Failure:
    """Names the first reasons and counts all, as metadata `failed_<kind>`. Dagster does not retry the run."""
    more = len(reasons) - _MAX_NAMED
    return dg.Failure(
        description="\n".join(reasons[:_MAX_NAMED]) + (f"\n… and {more} more" if more > 0 else ""),
        metadata={f"failed_{kind}": len(reasons)},
        allow_retries=False,
    )
