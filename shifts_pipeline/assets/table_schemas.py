"""Tables as the Dagster UI shows them: name, columns, types and comments of the declarations in `shifts_core`."""

import dagster as dg
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql


def table_metadata(table: Table) -> dict[str, str | dg.TableSchema]:
    """Return the definition metadata of an asset that writes a table: its name and schema."""
    return {"dagster/table_name": table.fullname, "dagster/column_schema": table_schema(table)}


def table_schema(table: Table) -> dg.TableSchema:
    """Return the schema of a table: PostgreSQL's types, comments, null constraints and the primary key."""
    key = ", ".join(column.name for column in table.primary_key)
    return dg.TableSchema(
        columns=[_table_column(column) for column in table.columns],
        constraints=dg.TableConstraints([f"primary key ({key})"] if key else []),
    )


def _table_column(column: Column[object]) -> dg.TableColumn:
    return dg.TableColumn(
        name=column.name,
        type=column.type.compile(postgresql.dialect()).lower(),  # type: ignore[no-untyped-call]
        description=column.comment,
        constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
    )
