"""The table `public.shifts_migrations` of a database: which scripts were applied, and with which checksums."""

import psycopg

from shifts_platform.migrations.files import Script


def create_history(connection: psycopg.Connection) -> None:
    """Creates the table unless it exists."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS public.shifts_migrations"
        " (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )


def read_history(connection: psycopg.Connection) -> dict[str, str]:
    """Checksums by name; empty for a database without the table."""
    if connection.execute("SELECT to_regclass('public.shifts_migrations')").fetchone() == (None,):
        return {}
    return dict(connection.execute("SELECT name, checksum FROM public.shifts_migrations").fetchall())


def record(connection: psycopg.Connection, script: Script) -> None:
    """Records that a script was applied."""
    connection.execute(
        "INSERT INTO public.shifts_migrations (name, checksum) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now()",
        [script.name, script.checksum],
    )
