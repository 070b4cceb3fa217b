"""Runs statements that SQLAlchemy builds on psycopg connections."""

from typing import TypeVar

import psycopg
from sqlalchemy import ClauseElement, ColumnElement, bindparam, make_url

Row = TypeVar("Row")

_DIALECT = make_url("postgresql+psycopg://").get_dialect()()


def execute(
    target: psycopg.Connection[Row] | psycopg.Cursor[Row], statement: ClauseElement
) -> psycopg.Cursor[Row]:
    """Executes a statement, with its values as parameters. The row factory of the target makes the rows."""
    return CompiledStatement(statement).execute(target)


class CompiledStatement:
    """A statement that is compiled once: that takes longer than to execute a small one."""

    def __init__(self, statement: ClauseElement) -> None:
        """`statement` has named parameters with default values."""
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self._text, self._values = str(compiled).encode(), compiled.params

    def execute(
        self, target: psycopg.Connection[Row] | psycopg.Cursor[Row], **values: object
    ) -> psycopg.Cursor[Row]:
        """Executes the statement with these values of its parameters."""
        return target.execute(self._text, {**self._values, **values})


def is_any_of(column: ColumnElement[str], *values: str) -> ColumnElement[bool]:
    """Whether a column has one of these values, which are written into the statement: partial indexes need that."""
    return column.in_(bindparam(None, values, expanding=True, literal_execute=True))
