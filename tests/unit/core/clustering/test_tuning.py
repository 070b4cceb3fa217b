"""A sweep tells of each choice what grouping with it finds."""

import csv
import io

import numpy as np
import pytest

from shifts_core.clustering.clusters import Similarity, find_groups
from shifts_platform.tuning.plot import draw_sweep
from shifts_platform.tuning.sweep import COLUMNS, Outcome, grid, sweep, to_csv
from tests.unit.core.clustering.scenarios import a_town, on_the_map

METRES, TIMES = a_town(11, 600)
ENDS = on_the_map(METRES)
CHOICES = grid(Similarity(), (250.0, 500.0), (3, 5, 601), (100.0, 500.0))


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return list(sweep(ENDS, TIMES, CHOICES))


def test_every_combination_is_tried_once_with_the_window_in_force() -> None:
    choices = grid(Similarity(window_s=900), (500.0, 250.0, 500.0), (5,), (500.0, 100.0))
    assert [(c.max_radius_m, c.min_trips, c.eps_m, c.window_s) for c in choices] == [
        (100, 5, 250, 900),
        (100, 5, 500, 900),
        (500, 5, 250, 900),
        (500, 5, 500, 900),
    ]


def test_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0 metres"):
        grid(Similarity(), (0.0,), (5,), (500.0,))


def test_the_figures_are_those_of_the_groups(outcomes: list[Outcome]) -> None:
    assert [outcome.similarity for outcome in outcomes] == CHOICES
    for outcome in outcomes:
        found = find_groups(ENDS, TIMES, outcome.similarity)
        assert (outcome.trips, outcome.groups) == (600, len(found.sizes))
        assert outcome.grouped == (found.members >= 0).sum()
        assert outcome.share == pytest.approx((found.members >= 0).mean())
        assert outcome.largest == np.bincount(found.members + 1)[1:].max(initial=0)
        if outcome.radii_m is None:
            assert not len(found.sizes)
        else:
            assert outcome.radii_m == pytest.approx(np.percentile(found.radii_m, [50, 95, 100]))
            assert outcome.radii_m[2] <= outcome.similarity.max_radius_m


def test_looser_choices_group_more_and_none_is_left_where_too_many_are_asked_for(
    outcomes: list[Outcome],
) -> None:
    share = {
        (o.similarity.max_radius_m, o.similarity.min_trips, o.similarity.eps_m): o.share for o in outcomes
    }
    assert 0 < share[100, 5, 250] < share[500, 3, 500]
    assert share[500, 601, 500] == 0


def test_the_csv_has_a_line_for_each_choice(outcomes: list[Outcome]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(outcomes))))
    assert len(rows) == len(CHOICES)
    assert tuple(rows[0]) == COLUMNS
    for row, outcome in zip(rows, outcomes, strict=True):
        assert float(row["eps_m"]) == outcome.similarity.eps_m
        assert int(row["groups"]) == outcome.groups
        assert float(row["share_grouped"]) == pytest.approx(outcome.share, abs=5e-5)
        assert (row["radius_m_largest"] == "") == (outcome.groups == 0)


@pytest.mark.parametrize("chosen", [slice(None), slice(0, 1)])
def test_the_picture_is_a_png(outcomes: list[Outcome], chosen: slice) -> None:
    picture = draw_sweep(outcomes[chosen], Similarity(), "Turin 2018-W22")
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 100_000


def test_the_picture_is_drawn_when_the_name_above_it_holds_a_dollar_pair(outcomes: list[Outcome]) -> None:
    assert draw_sweep(outcomes, Similarity(), r"$\frac$ 2018-W22").startswith(b"\x89PNG")
