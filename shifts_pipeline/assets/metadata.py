"""Optional metadata of assets: a failure to compute it is a warning, never a failed run."""

import logging
from collections.abc import Callable

import dagster as dg


def optional_metadata(
    log: logging.Logger, make: Callable[[], dict[str, dg.MetadataValue]]
) -> dict[str, dg.MetadataValue]:
    """Returns the metadata that `make` computes; when it raises, logs a warning and returns no metadata."""
    try:
        return make()
    except Exception:
        log.warning("optional metadata is left out", exc_info=True)
        return {}
