"""Lineage of columns in the Dagster UI."""

import dagster as dg
import pytest
from sqlalchemy import Table

from shifts_core.schema.tables import trip_clusters, trips, weekly_trip_tiles
from shifts_pipeline.assets.column_lineage import TRIP_CLUSTERS_LINEAGE, WEEKLY_TILES_LINEAGE


@pytest.mark.parametrize(
    ("table", "lineage"),
    [(trip_clusters, TRIP_CLUSTERS_LINEAGE), (weekly_trip_tiles, WEEKLY_TILES_LINEAGE)],
    ids=["trip_clusters", "weekly_trip_tiles"],
)
def test_every_column_comes_from_columns_of_trips_that_exist(
    table: Table, lineage: dg.TableColumnLineage
) -> None:
    assert list(lineage.deps_by_column) == [column.name for column in table.columns]
    sources = {dep.column_name for deps in lineage.deps_by_column.values() for dep in deps}
    assert sources <= {column.name for column in trips.columns}
