"""Clustering of trips by origin, destination and time of day: a scikit-learn estimator and the functions below it.

`estimator` needs scikit-learn; the other modules need numpy and numba only.
"""
