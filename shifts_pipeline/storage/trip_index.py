"""The block-range index of a week's trips, which follows loads instead of slowing them down."""

from datetime import date

import psycopg


def index_week(connection: psycopg.Connection, week: date) -> None:
    """Creates the index of a week's trips, or adds what was written since.

    It does nothing if a writer holds the week for longer than two seconds: the next refresh or audit does it.

    Args:
        connection: in autocommit mode, so that writers of the week wait no longer than necessary.
        week: its Monday.
    """
    connection.execute("SELECT shifts_store.index_week(%s)", [week])
