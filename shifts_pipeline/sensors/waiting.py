"""Waits for notifications inside a tick: they arrive at once, while the daemon ticks every five seconds only."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg import sql

WATCH_S = 4.0
"""A little less than the daemon's interval, so that the sensor listens nearly all the time."""

T = TypeVar("T")


def wait_for_work(connection: psycopg.Connection, channel: str, look: Callable[[], T | None]) -> T | None:
    """Returns what `look` finds now, at a notification, or at the end of the wait; None if there is nothing to do.

    Args:
        connection: in autocommit mode.
        channel: receives a notification from each commit that creates work.
        look: reads the state and decides; returns None if there is nothing to do.
    """
    deadline = time.monotonic() + WATCH_S
    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
    while (found := look()) is None and (rest := deadline - time.monotonic()) > 0:
        list(connection.notifies(timeout=rest, stop_after=1))
    return found
