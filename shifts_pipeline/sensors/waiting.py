"""Waiting inside a sensor's tick: the daemon looks every five seconds, a notification is there at once."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg import sql

WATCH_S = 4.0
"""A little less than the daemon's interval, so that hardly a moment goes by unwatched."""

T = TypeVar("T")


def wait_for_work(connection: psycopg.Connection, channel: str, look: Callable[[], T | None]) -> T | None:
    """What `look` finds now, or on a notification, or when the time is over; None if there is nothing to do.

    Args:
        connection: in autocommit mode.
        channel: on which a commit that makes work notifies.
        look: reads the state and decides; None for nothing to do.
    """
    deadline = time.monotonic() + WATCH_S
    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
    while (found := look()) is None and (rest := deadline - time.monotonic()) > 0:
        list(connection.notifies(timeout=rest, stop_after=1))
    return found
