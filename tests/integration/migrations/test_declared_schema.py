"""The declarations in `shifts_core.schema` name every column of the migrated databases."""

import sqlalchemy as sa

from shifts_core.schema import feed, tables, views


def test_declares_every_table_and_view_of_the_trips_database(database_url: str) -> None:
    found = sa.MetaData()
    with _engine(database_url).connect() as connection:
        for schema in ("shifts_store", "shifts"):
            found.reflect(connection, schema, views=True, resolve_fks=False)
    assert _describe(tables.metadata, views.metadata) == _describe(found)


def test_declares_every_table_of_the_feed(dagster_database_url: str) -> None:
    found = sa.MetaData()
    with _engine(dagster_database_url).connect() as connection:
        found.reflect(connection, "shifts_feed", views=True)
    assert _describe(feed.metadata) == _describe(found)


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)


def _describe(*schemas: sa.MetaData) -> dict[str, list[str]]:
    """Columns in their order, as SQL: name, type, nullability, primary and foreign keys."""
    return {
        name: [_describe_column(column) for column in table.columns]
        for schema in schemas
        for name, table in sorted(schema.tables.items())
    }


def _describe_column(column: sa.Column[object]) -> str:
    words = [column.name, column.type.compile(sa.dialects.postgresql.dialect())]  # type: ignore[no-untyped-call]
    words += ["NOT NULL"] * (not column.nullable) + ["PRIMARY KEY"] * column.primary_key
    words += [f"REFERENCES {key.column}" for key in column.foreign_keys]
    return " ".join(words)
