"""The resource `load_limits`: which trips and which files are accepted."""

import dagster as dg


class LoadLimits(dg.ConfigurableResource["LoadLimits"]):
    """Limits that a file must meet to be loaded."""

    first_week: str
    """Monday of the first accepted week, as an ISO date."""
    max_rejected_share: float
    """0 to 1; a file with a larger share of rejected rows fails."""
