"""Tables as the Dagster UI shows them."""

import pytest
from sqlalchemy import Table

from shifts_core.schema.tables import trip_clusters, trips, weekly_trip_tiles
from shifts_pipeline.assets.table_schemas import table_metadata, table_schema


@pytest.mark.parametrize(
    "table",
    [trips, trip_clusters, weekly_trip_tiles],
    ids=lambda table: table.name,
)
def test_every_column_of_an_assets_table_has_a_description(table: Table) -> None:
    columns = table_schema(table).columns
    assert [column.name for column in columns] == [column.name for column in table.columns]
    assert [column.name for column in columns if not column.description] == []


@pytest.mark.parametrize("table", [trip_clusters, weekly_trip_tiles], ids=lambda table: table.name)
def test_every_measure_names_its_unit(table: Table) -> None:
    units = {
        "double precision": ("metres", "0 to 1"),
        "geometry": ("degrees",),
        "time ": ("local wall clock",),
    }
    for column in table_schema(table).columns:
        for type_, words in units.items():
            if column.type.startswith(type_):
                assert any(word in str(column.description) for word in words), column.name


def test_a_schema_has_types_of_postgresql_and_the_primary_key() -> None:
    metadata = table_metadata(trip_clusters)
    assert metadata["dagster/table_name"] == "shifts_store.trip_clusters"
    schema = table_schema(trip_clusters)
    assert metadata["dagster/column_schema"] == schema
    types = {column.name: column.type for column in schema.columns}
    assert types["radius_m"] == "double precision"
    assert types["origin"] == "geometry(point,4326)"
    assert schema.constraints.other == ["primary key (cluster_id, week)"]
    assert not any(column.constraints.nullable for column in schema.columns)
