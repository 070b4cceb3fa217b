"""`TripClusterer` is a scikit-learn estimator: scikit-learn's own checks, validation, frames, and its example."""

import doctest

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

from shifts_core.clustering import estimator
from shifts_core.clustering.clusters import find_clusters
from shifts_core.clustering.estimator import FEATURE_NAMES, TripClusterer
from tests.unit.core.clustering.scenarios import DAY_S, HOUR_S, random_town, to_degrees

METRES, TIMES = random_town(11, 600)
TRIPS = np.column_stack([to_degrees(METRES), TIMES])

_FITS_OTHER_COLUMNS = "fits data with 1 to 4 or 10 columns; trips have five"
EXPECTED_FAILED_CHECKS = dict.fromkeys(
    (
        "check_clustering",
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimators_fit_returns_self",
        "check_estimators_nan_inf",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1sample",
        "check_fit2d_predict1d",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in",
        "check_n_features_in_after_fitting",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_readonly_memmap_input",
    ),
    _FITS_OTHER_COLUMNS,
)


class AnyColumnsClusterer(TripClusterer):
    """Makes trips of any columns: one unit is about a kilometre and a minute. Everything else is inherited."""

    def _validate_trips(self, X: object) -> NDArray[np.float64]:  # noqa: N803
        columns = validate_data(self, X, dtype=np.float64)
        repeated = columns[:, np.arange(5) % columns.shape[1]]
        trips: NDArray[np.float64] = np.clip(repeated * 0.01, -80, 80)
        trips[:, 4] = (8 * HOUR_S + 60 * repeated[:, 4]) % DAY_S
        return trips


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [TripClusterer()], expected_failed_checks=lambda _: EXPECTED_FAILED_CHECKS, xfail_strict=True
)
def test_scikit_learn_checks_pass_unless_their_data_has_other_columns(
    estimator: BaseEstimator, check: object
) -> None:
    check(estimator)  # type: ignore[operator]


@parametrize_with_checks([AnyColumnsClusterer()])  # type: ignore[untyped-decorator]
def test_all_scikit_learn_checks_pass_when_their_columns_are_made_into_trips(
    estimator: BaseEstimator, check: object
) -> None:
    check(estimator)  # type: ignore[operator]


def test_attributes_describe_the_clusters() -> None:
    fitted = TripClusterer(max_radius_m=300).fit(TRIPS)
    clusters = find_clusters(TRIPS[:, :4], TRIPS[:, 4], max_radius_m=300)
    assert len(clusters.sizes) > 1
    np.testing.assert_array_equal(fitted.labels_, clusters.labels)
    np.testing.assert_array_equal(fitted.cluster_centers_[:, :4], clusters.centroids)
    np.testing.assert_array_equal(fitted.cluster_centers_[:, 4], clusters.typical_s)
    np.testing.assert_array_equal(fitted.cluster_sizes_, clusters.sizes)
    np.testing.assert_array_equal(fitted.cluster_radii_m_, clusters.radii_m)
    np.testing.assert_array_equal(fitted.cluster_earliest_s_, clusters.earliest_s)
    np.testing.assert_array_equal(fitted.cluster_latest_s_, clusters.latest_s)
    assert fitted.n_features_in_ == 5


def test_a_frame_gives_the_same_labels_and_its_column_names() -> None:
    frame = pd.DataFrame(TRIPS, columns=list(FEATURE_NAMES))
    fitted = TripClusterer().fit(frame)
    np.testing.assert_array_equal(fitted.labels_, TripClusterer().fit_predict(TRIPS))
    assert tuple(fitted.feature_names_in_) == FEATURE_NAMES


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"eps_m": 0.0}, "eps_m must be more than 0 metres"),
        ({"eps_m": np.inf}, "eps_m must be more than 0 metres"),
        ({"max_radius_m": -1.0}, "max_radius_m must be more than 0 metres"),
        ({"max_radius_m": np.nan}, "max_radius_m must be more than 0 metres"),
        ({"min_trips": 0}, "min_trips must be at least 1"),
        ({"window_s": 0.0}, "at most 12 hours"),
        ({"window_s": 12 * HOUR_S + 1}, "at most 12 hours"),
    ],
)
def test_fit_rejects_parameters_that_are_out_of_range(parameters: dict[str, float], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        clone(TripClusterer()).set_params(**parameters).fit(TRIPS)


def test_fit_rejects_a_fractional_min_trips() -> None:
    with pytest.raises(TypeError):
        TripClusterer(min_trips=2.5).fit(TRIPS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        (0, 180.1, "longitudes must be within"),
        (3, -90.1, "are they swapped"),
        (4, -1, "times of day must be"),
        (4, DAY_S, "times of day must be"),
    ],
)
def test_fit_rejects_trips_that_are_out_of_range(column: int, value: float, error: str) -> None:
    trips = TRIPS.copy()
    trips[7, column] = value
    with pytest.raises(ValueError, match=error):
        TripClusterer().fit(trips)


def test_the_example_of_the_docstring_is_right() -> None:
    assert doctest.testmod(estimator).failed == 0
    assert doctest.testmod(estimator).attempted > 0
