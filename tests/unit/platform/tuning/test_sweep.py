"""A sweep reports for each combination of parameters what the clusterer finds with it."""

import io

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from shifts_core.clustering.estimator import TripClusterer
from shifts_platform.tuning.plot import plot_sweep
from shifts_platform.tuning.sweep import parameter_grid, sweep, to_frame
from tests.unit.core.clustering.scenarios import random_town, to_degrees

METRES, TIMES = random_town(11, 600)
TRIPS = np.column_stack([to_degrees(METRES), TIMES])
GRID = parameter_grid(TripClusterer(), (250.0, 500.0), (3, 5, 601), (100.0, 500.0))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return to_frame(sweep(TRIPS, TripClusterer(), GRID))


def test_every_combination_is_fitted_once_with_the_window_of_the_clusterer() -> None:
    clusterer = TripClusterer(window_s=900)
    grid = parameter_grid(clusterer, (500.0, 250.0, 500.0), (5,), (500.0, 100.0))
    frame = to_frame(sweep(TRIPS, clusterer, grid))
    assert frame[["max_radius_m", "min_trips", "eps_m", "window_minutes"]].to_numpy().tolist() == [
        [100, 5, 250, 15],
        [100, 5, 500, 15],
        [500, 5, 250, 15],
        [500, 5, 500, 15],
    ]


def test_a_value_out_of_range_is_rejected() -> None:
    with pytest.raises(ValueError, match="more than 0 metres"):
        parameter_grid(TripClusterer(), (0.0,), (5,), (500.0,))


def test_outcomes_are_those_of_a_fit(frame: pd.DataFrame) -> None:
    assert len(frame) == len(GRID)
    for row in frame.to_dict("records"):
        parameters = {
            "eps_m": row["eps_m"],
            "min_trips": row["min_trips"],
            "max_radius_m": row["max_radius_m"],
        }
        fitted = clone(TripClusterer()).set_params(**parameters).fit(TRIPS)
        assert (row["trips"], row["clusters"]) == (600, len(fitted.cluster_sizes_))
        assert row["trips_clustered"] == (fitted.labels_ >= 0).sum()
        assert row["share_clustered"] == pytest.approx((fitted.labels_ >= 0).mean(), abs=5e-5)
        assert row["largest_cluster"] == np.bincount(fitted.labels_ + 1)[1:].max(initial=0)
        radii = [row["radius_m_median"], row["radius_m_p95"], row["radius_m_max"]]
        if row["clusters"]:
            assert radii == pytest.approx(np.percentile(fitted.cluster_radii_m_, [50, 95, 100]), abs=0.05)
            assert radii[2] <= row["max_radius_m"]
        else:
            assert np.isnan(radii).all()


def test_looser_parameters_cluster_more_trips_and_too_many_min_trips_none(frame: pd.DataFrame) -> None:
    share = frame.set_index(["max_radius_m", "min_trips", "eps_m"])["share_clustered"]
    assert 0 < share[100, 5, 250] < share[500, 3, 500]
    assert share[500, 601, 500] == 0


def test_the_frame_survives_a_round_trip_through_csv(frame: pd.DataFrame) -> None:
    csv = frame.to_csv(index=False, float_format="%.6g")
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(csv)), frame, check_dtype=False)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 1)])
def test_the_plot_is_a_png(frame: pd.DataFrame, rows: slice) -> None:
    plot = plot_sweep(frame[rows], TripClusterer(), "Turin 2018-W22")
    assert plot.startswith(b"\x89PNG")
    assert len(plot) < 100_000


def test_a_title_with_a_pair_of_dollars_is_no_formula(frame: pd.DataFrame) -> None:
    assert plot_sweep(frame, TripClusterer(), r"$\frac$ 2018-W22").startswith(b"\x89PNG")
