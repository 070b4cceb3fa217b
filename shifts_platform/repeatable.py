"""Functions, views and triggers as their files define them: replaced in place, and removed when no file has them."""

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
"""Kind, name and the transaction that wrote the row of the catalog: replacing an object writes it again."""
_VALIDATE = """
SELECT CASE l.lanname WHEN 'sql' THEN fmgr_sql_validator(p.oid)::text ELSE plpgsql_validator(p.oid)::text END
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY (%(schemas)s) AND l.lanname IN ('sql', 'plpgsql')
"""

_NOT_REPLACEABLE = (psycopg.errors.InvalidFunctionDefinition, psycopg.errors.InvalidTableDefinition)

_Versions = dict[tuple[str, str], str]


def apply_definitions(
    connection: psycopg.Connection, schemas: Sequence[str], execute: Callable[[], object]
) -> None:
    """Runs `execute`, which creates or replaces all there is to be in `schemas`, and drops what it did not touch.

    What cannot be replaced because its columns or its result changed is dropped first; what others built on it
    (a view of somebody's own) is never dropped. To be called in a transaction.

    Raises:
        PlatformError: something of others depends on what has to go, a function's body is invalid, or what `execute`
            raises.
    """
    # Functions may name views and functions of later files; they are validated when all are there.
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
        raise PlatformError(f"a function is invalid: {one_line(error)}") from error


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
            if gone := [name for each, name in names if each == kind]:
                connection.execute(f"DROP {kind} {', '.join(gone)}".encode())
    except psycopg.errors.DependentObjectsStillExist as error:
        raise PlatformError(
            f"something that is not part of the platform is in the way, drop it first: {one_line(error)}"
        ) from error
