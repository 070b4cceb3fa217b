"""The resource `clustering`: parameters of the clustering estimator."""

import dagster as dg
from pydantic import Field


class ClusteringParameters(dg.ConfigurableResource["ClusteringParameters"]):
    """Parameters of the clustering estimator, in metres and minutes; `shifts tune` compares values."""

    time_bin_minutes: int = Field(
        description="Longest time between the first and the last trip of a cluster, in minutes."
        " Setting: SHIFTS_TIME_BIN_MINUTES."
    )
    eps_m: float = Field(
        description="DBSCAN's neighbourhood, origin and destination together, in metres."
        " Setting: SHIFTS_CLUSTER_EPS_M."
    )
    min_trips: int = Field(
        description="Minimum number of trips in a cluster. Setting: SHIFTS_CLUSTER_MIN_TRIPS."
    )
    max_radius_m: float = Field(
        description="Largest distance from a cluster's centroid to any of its trips, at both ends, in metres."
        " Setting: SHIFTS_CLUSTER_MAX_RADIUS_M."
    )
