"""Cells are written with the aggregates of a pair, contain whole files or pools, and go with deleted trips."""

from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import psycopg
import pytest

from shifts_core.tiles.codec import Tile, decode_tile
from shifts_pipeline.definitions import build_defs
from shifts_pipeline.sensors.stale_weeks import stale_weeks
from shifts_pipeline.settings import PipelineSettings
from shifts_pipeline.storage.cell_tables import PairCells, build_cells, write_cells
from shifts_pipeline.storage.region_week import read_pair, replace_derived
from tests.integration.pipeline.deleting import ask
from tests.integration.pipeline.harness import HEADER, Pipeline, row

K = 5
MONDAY = date(2018, 5, 28)
Trip = tuple[float, ...]


def with_min_count(pipeline: Pipeline, k: int | None) -> Pipeline:
    return replace(pipeline, defs=build_defs(PipelineSettings(first_week=date(2000, 1, 3), min_count=k)))


def trips_csv(seed: int, rows: int) -> str:
    rng = np.random.default_rng(seed)
    places = np.round(rng.normal([7.68, 45.07, 7.68, 45.07], 0.05, (rows, 4)), 5).tolist()
    return HEADER + "".join(row(origin=(a, b), destination=(c, d)) for a, b, c, d in places)


def load(pipeline: Pipeline, name: str, rows: int, seed: int = 1) -> None:
    pipeline.put(name, trips_csv(seed, rows))
    assert all(run.success for run in pipeline.load())


def refresh(pipeline: Pipeline) -> None:
    assert all(run.success for run in pipeline.refresh())
    assert pipeline.query("SELECT count(*) FROM shifts_store.stale_weeks") == [(0,)]


def cells(pipeline: Pipeline) -> Counter[Trip]:
    """The generalised trips of all pairs."""
    tiles = pipeline.query("SELECT trips, leaves, high_bits, low_bits FROM shifts_store.cell_tiles")
    found: Counter[Trip] = Counter()
    for tile in tiles:
        ends, minutes = decode_tile(Tile(*tile))
        found.update(map(tuple, np.column_stack([ends, minutes]).tolist()))
    return found


def recorded(pipeline: Pipeline) -> list[tuple[int | None, int]]:
    """The k of each pair, and the number of trips in its cells."""
    return pipeline.query(
        "SELECT cells_min_count, cells_trips FROM shifts_store.region_weeks ORDER BY region_id, week"
    )


def test_a_further_file_adds_whole_cells(pipeline: Pipeline) -> None:
    pipeline = with_min_count(pipeline, K)
    load(pipeline, "a.csv", 60)
    refresh(pipeline)
    before = cells(pipeline)
    load(pipeline, "b.csv", 40, seed=2)
    assert cells(pipeline) == before
    refresh(pipeline)
    after = cells(pipeline)
    added = after - before
    assert not before - after
    assert min(before.values()) >= K
    assert min(added.values()) >= K
    assert 100 - 2 * (K - 1) <= after.total() <= 100
    assert recorded(pipeline) == [(K, after.total())]


def test_small_files_wait_until_a_pool_of_them_is_large_enough(pipeline: Pipeline) -> None:
    pipeline = with_min_count(pipeline, K)
    totals = []
    for number in range(6):
        load(pipeline, f"{number}.csv", 2, seed=number)
        refresh(pipeline)
        totals.append(cells(pipeline).total())
    assert totals == [0, 0, 6, 6, 6, 12]


def test_without_the_setting_there_are_no_cells_and_with_another_k_pairs_are_stale(
    pipeline: Pipeline,
) -> None:
    load(pipeline, "a.csv", 60)
    refresh(pipeline)
    assert (recorded(pipeline), cells(pipeline)) == ([(None, 0)], Counter())
    for k in (K, 2 * K):
        refresh(with_min_count(pipeline, k))
        found = cells(pipeline)
        assert min(found.values()) >= k
        assert recorded(pipeline) == [(k, found.total())]
    refresh(pipeline)
    assert (recorded(pipeline), cells(pipeline)) == ([(None, 0)], Counter())


def test_cells_of_deleted_trips_go_in_the_transaction_that_deletes_them(pipeline: Pipeline) -> None:
    pipeline = with_min_count(pipeline, K)
    load(pipeline, "a.csv", 60)
    load(pipeline, "b.csv", 40, seed=2)
    refresh(pipeline)
    assert ask(pipeline, "b.csv") == ["b.csv"]
    assert all(run.success for run in pipeline.delete())
    # Withheld as a whole until the refresh: cells do not tell which file they are of.
    assert (recorded(pipeline), cells(pipeline)) == ([(None, 0)], Counter())
    refresh(pipeline)
    only = with_min_count(pipeline, K)
    assert recorded(only) == [(K, cells(only).total())]
    assert 60 - (K - 1) <= cells(only).total() <= 60


def test_trips_that_are_deleted_during_a_refresh_are_in_no_cell(pipeline: Pipeline) -> None:
    pipeline = with_min_count(pipeline, K)
    load(pipeline, "a.csv", 60)
    pipeline.tick(stale_weeks)
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        pair = read_pair(connection, "Turin", MONDAY, with_files=True)
        assert pair is not None
        built = build_cells(pair, K)
        load(pipeline, "a.csv", 20, seed=2)
        replace_derived(connection, pair, "aggregates", lambda open_: write_cells(pair, built, K, open_))
    assert (recorded(pipeline), cells(pipeline)) == ([(None, 0)], Counter())


def test_a_run_with_another_k_than_the_setting_fails(pipeline: Pipeline) -> None:
    load(pipeline, "a.csv", 60)
    with_min_count(pipeline, K).tick(stale_weeks)
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        pair = read_pair(connection, "Turin", MONDAY)
        assert pair is not None
        for k in (None, 2 * K):
            built = None if k is None else PairCells([], {})
            with pytest.raises(psycopg.errors.RaiseException, match="SHIFTS_MIN_COUNT"):
                write_cells(pair, built, k, connection)
