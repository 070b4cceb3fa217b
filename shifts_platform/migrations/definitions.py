"""Functions, views and triggers: replaced from their files, and dropped when no file defines them any more."""

from collections.abc import Callable, Sequence

import psycopg

from shifts_platform.errors import PlatformError, one_line

_OBJECTS = """
SELECT 'TRIGGER', format('%%I ON %%s', t.tgname, t.tgrelid::regclass), t.xmin::text
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY (%(schemas)s) AND NOT t.tgisinternal AND t.tgparentid = 0
UNION ALL
SELECT 'VIEW', c.oid::regclass::text, r.xmin::text
FROM pg_class c JOIN pg_rewrite r ON r.ev_class = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(schemas)s) AND c.relkind = 'v'
UNION ALL
SELECT 'FUNCTION', p.oid::regprocedure::text, p.xmin::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY (%(schemas)s)
"""
"""Kind, name and the transaction that wrote the catalog row: replacing an object writes the row again."""
_VALIDATE = """
SELECT CASE l.lanname WHEN 'sql' THEN fmgr_sql_validator(p.oid)::text ELSE plpgsql_validator(p.oid)::text END
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY (%(schemas)s) AND l.lanname IN ('sql', 'plpgsql')
"""

_NOT_REPLACEABLE = (psycopg.errors.InvalidFunctionDefinition, psycopg.errors.InvalidTableDefinition)

_Versions = dict[tuple[str, str], str]


def replace_definitions(
    connection: psycopg.Connection, schemas: Sequence[str], execute: Callable[[], object]
) -> None:
    """Runs `execute`, then drops the objects in `schemas` that it neither created nor replaced.

    Where an object cannot be replaced because its columns or result changed, all are dropped first. Objects outside
    `schemas`, such as an analyst's view, are never dropped.

    Args:
        connection: in a transaction.
        schemas: whose functions, views and triggers `execute` defines.
        execute: runs `CREATE OR REPLACE` statements for all of them.

    Raises:
        PlatformError: an object outside `schemas` depends on one to be dropped, a function's body is invalid, or
            `execute` raises it.
    """
    # Functions may name views and functions of later files, so they are validated at the end.
    connection.execute("SET LOCAL check_function_bodies = off")
    before = _versions(connection, schemas)
    try:
        with connection.transaction():
            execute()
    except PlatformError as error:
        if not isinstance(error.__cause__, _NOT_REPLACEABLE):
            raise
        _drop(connection, list(before))
        before = {}
        execute()
    after = _versions(connection, schemas)
    _drop(connection, [name for name, version in before.items() if after.get(name) == version])
    connection.execute("SET LOCAL check_function_bodies = on")
    try:
        connection.execute(_VALIDATE, {"schemas": list(schemas)})
    except psycopg.Error as error:
        raise PlatformError(f"invalid function: {one_line(error)}") from error


def _versions(connection: psycopg.Connection, schemas: Sequence[str]) -> _Versions:
    rows = connection.execute(_OBJECTS, {"schemas": list(schemas)}).fetchall()
    return {(kind, name): version for kind, name, version in rows}


def _drop(connection: psycopg.Connection, names: Sequence[tuple[str, str]]) -> None:
    try:
        for kind, name in names:
            if kind == "TRIGGER":
                connection.execute(f"DROP TRIGGER {name}".encode())
        # Together, because they may depend on each other.
        for kind in ("VIEW", "FUNCTION"):
            if dropped := [name for each, name in names if each == kind]:
                connection.execute(f"DROP {kind} {', '.join(dropped)}".encode())
    except psycopg.errors.DependentObjectsStillExist as error:
        raise PlatformError(f"drop this first, it is not part of the platform: {one_line(error)}") from error
