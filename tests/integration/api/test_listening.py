"""A connection that listens is made again, soon after the first loss and ever later after the next."""

import asyncio
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shifts_api.queries import listening
from shifts_api.queries.listening import NextNotification, listen_forever


@pytest.mark.parametrize(
    ("seconds_per_connection", "expected"), [(1.0, [0.1, 0.2, 0.4]), (6.0, [0.1, 0.1, 0.1])]
)
def test_only_a_connection_that_was_lost_soon_after_its_start_delays_the_next(
    database_url: str,
    trips_db: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    seconds_per_connection: float,
    expected: list[float],
) -> None:
    now = 0.0
    received: list[int] = []
    delays: list[float] = []
    monkeypatch.setattr(listening, "time", SimpleNamespace(monotonic=lambda: now))

    async def work(connection: AsyncConnection, next_notification: NextNotification) -> None:
        nonlocal now
        await asyncio.to_thread(trips_db.execute, "NOTIFY listening_test")
        await next_notification()
        received.append(len(delays))
        now += seconds_per_connection
        raise OperationalError("the server is gone", None, Exception())

    async def listen() -> None:
        engine = create_async_engine(
            database_url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
        )
        ended = asyncio.Event()

        def lost(error: Exception, next_try_s: float) -> None:
            delays.append(next_try_s)
            if len(delays) == len(expected):
                ended.set()

        task = asyncio.create_task(listen_forever(engine, "listening_test", work, lost))
        await ended.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.dispose()

    asyncio.run(listen())
    assert received == [0, 1, 2]
    assert delays == expected
