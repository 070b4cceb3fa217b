"""The resource `clustering`: parameters of the clustering estimator."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    from shifts_core.clustering.estimator import TripClusterer


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

    def clusterer(self) -> "TripClusterer":
        """A new estimator."""
        # scikit-learn takes a second to import, which runs without clusters need not pay.
        from shifts_core.clustering.estimator import TripClusterer  # noqa: PLC0415

        return TripClusterer(
            eps_m=self.eps_m,
            min_trips=self.min_trips,
            max_radius_m=self.max_radius_m,
            window_s=60.0 * self.time_bin_minutes,
        )
