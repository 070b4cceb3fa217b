"""The scikit-learn estimator `TripClusterer`; the only module of the core that imports scikit-learn."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import validate_data

from shifts_core.clustering.clusters import find_clusters
from shifts_core.clustering.kd_tree import DAY_S
from shifts_core.clustering.parameters import (
    DEFAULT_EPS_M,
    DEFAULT_MAX_RADIUS_M,
    DEFAULT_MIN_TRIPS,
    DEFAULT_WINDOW_MINUTES,
)

FEATURE_NAMES = ("origin_lon", "origin_lat", "destination_lon", "destination_lat", "time_s")
"""Columns of `X` in their order."""


class TripClusterer(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Cluster trips that start close together, end close together and start at about the same time of day.

    DBSCAN selects the trips in dense places. These are partitioned into compact clusters by a greedy mean shift, so
    that every cluster fits into a circle at either end and into a window of the day. Windows follow the trips and
    may cross midnight. The result is deterministic and does not depend on the order of the trips.

    Parameters
    ----------
    eps_m : float, default=500.0
        DBSCAN's `eps` in metres: the largest distance between neighbours over origin and destination together, as
        points in four dimensions. Above ``sqrt(2) * max_radius_m`` it has next to no effect.
    min_trips : int, default=5
        DBSCAN's `min_samples`: the least number of neighbours of a core sample, itself included. Also the least
        number of trips in a cluster.
    max_radius_m : float, default=500.0
        The largest great-circle distance of a trip from its cluster's centroid, at either end, in metres.
    window_s : float, default=3600.0
        The largest difference between two times of day in a cluster, in seconds; at most 12 hours. Also the largest
        difference between the times of DBSCAN's neighbours.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each trip, largest cluster first; -1 for trips in no cluster.
    cluster_centers_ : ndarray of shape (n_clusters, 5)
        Mean coordinates in degrees and median time of day in seconds, in the order of the columns of `X`.
    cluster_sizes_ : ndarray of shape (n_clusters,)
        Number of trips.
    cluster_radii_m_ : ndarray of shape (n_clusters,)
        Great-circle distance of the farthest trip from the centroid, the larger of both ends, in metres.
    cluster_earliest_s_, cluster_latest_s_ : ndarray of shape (n_clusters,)
        Start and end of the time window in seconds; the end is less than the start if the window crosses midnight.
    n_features_in_ : int
        Number of columns of `X`, always 5.
    feature_names_in_ : ndarray of shape (5,)
        Column names of `X`. Defined only if `X` is a frame whose column names are all strings.

    See Also
    --------
    sklearn.cluster.DBSCAN : Clusters of any shape and size; its noise is in no cluster here, too.

    Notes
    -----
    Time and memory are measured in docs/clustering.md, which also describes the algorithm and its sources.

    Examples
    --------
    >>> import numpy as np
    >>> from shifts_core.clustering.estimator import TripClusterer
    >>> eight, nine = 8 * 3600, 9 * 3600
    >>> X = np.array(
    ...     [[7.68, 45.07, 7.72, 45.09, eight + 60 * minute] for minute in range(5)]
    ...     + [[7.72, 45.09, 7.68, 45.07, nine]]
    ... )
    >>> TripClusterer(max_radius_m=300).fit_predict(X)
    array([ 0,  0,  0,  0,  0, -1])
    """

    labels_: NDArray[np.int64]
    cluster_centers_: NDArray[np.float64]
    cluster_sizes_: NDArray[np.int64]
    cluster_radii_m_: NDArray[np.float64]
    cluster_earliest_s_: NDArray[np.float64]
    cluster_latest_s_: NDArray[np.float64]
    n_features_in_: int

    def __init__(
        self,
        *,
        eps_m: float = DEFAULT_EPS_M,
        min_trips: int = DEFAULT_MIN_TRIPS,
        max_radius_m: float = DEFAULT_MAX_RADIUS_M,
        window_s: float = 60.0 * DEFAULT_WINDOW_MINUTES,
    ) -> None:
        self.eps_m = eps_m
        self.min_trips = min_trips
        self.max_radius_m = max_radius_m
        self.window_s = window_s

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: N803
        """Cluster trips.

        Parameters
        ----------
        X : array-like of shape (n_samples, 5)
            Origin longitude and latitude, destination longitude and latitude in degrees; time of day in seconds
            since midnight, at least 0 and less than 86,400. A frame's columns are taken in this order, whatever
            their names.
        y : None
            Ignored; here for compatibility with scikit-learn.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            `min_trips` is not an integer.
        ValueError
            A parameter or a value of `X` is out of range, or `X` does not have five columns.
        """
        del y
        trips = self._validate_trips(X)
        clusters = find_clusters(
            trips[:, :4],
            trips[:, 4],
            eps_m=self.eps_m,
            min_trips=self.min_trips,
            max_radius_m=self.max_radius_m,
            window_s=self.window_s,
        )
        self.labels_ = clusters.labels
        self.cluster_centers_ = np.column_stack([clusters.centroids, clusters.typical_s])
        self.cluster_sizes_ = clusters.sizes
        self.cluster_radii_m_ = clusters.radii_m
        self.cluster_earliest_s_ = clusters.earliest_s
        self.cluster_latest_s_ = clusters.latest_s
        return self

    def _validate_trips(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        trips: NDArray[np.float64] = validate_data(self, X, dtype=np.float64)
        check_trips(trips)
        return trips


def check_trips(trips: NDArray[np.float64]) -> None:
    """Check the shape and the ranges of trips, shape (n, 5).

    Raises:
        ValueError: a trip does not have five features, or one of them is out of range.
    """
    features = trips.shape[1]
    if features != len(FEATURE_NAMES):
        raise ValueError(
            f"X has {features} feature(s) (shape={trips.shape}); trips have 5: {', '.join(FEATURE_NAMES)}"
        )
    if (np.abs(trips[:, :4]) > [180, 90, 180, 90]).any():
        raise ValueError("longitudes must be within ±180 degrees and latitudes within ±90; are they swapped?")
    times_s = trips[:, 4]
    if times_s.min() < 0 or times_s.max() >= DAY_S:
        raise ValueError("times of day must be at least 0 and less than 86,400 seconds")
