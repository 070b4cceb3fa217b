"""The resource `clustering`: parameters of the clustering estimator."""

import dagster as dg


class ClusteringParameters(dg.ConfigurableResource["ClusteringParameters"]):
    """Parameters of the clustering estimator, in metres and minutes."""

    time_bin_minutes: int
    eps_m: float
    min_trips: int
    max_radius_m: float
