"""What a count from memory asks the database, in one statement for all requests that wait.

A count from memory is exact if the region has not changed since its tiles were read. Each request learns that from a
snapshot that is taken after the request arrived, so it misses no trip that was committed before. While a statement
runs, the next requests collect and share the next statement.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from shifts_api.queries.regions import Region
from shifts_api.queries.tile_cache import binary_cursor
from shifts_api.queries.tile_source import EXACT, TileSource
from shifts_api.web.errors import is_worker_away

_MAX_STATEMENTS = 2
"""At a time: a statement that reads from disk does not delay all others."""
_MAX_REQUESTS = 64
"""In a statement."""
# One statement has one snapshot. Rows with a name are regions, the others are bytes of tiles; none if a tile is gone.
_STATEMENT = """
SELECT n.name, n.number, NULL::bytea, f.region_id, f.first_at, f.last_at, f.tiles_revision, f.is_pending, now(),
       shifts_store.incarnation()
FROM unnest(%s::text[]) WITH ORDINALITY AS n (name, number)
CROSS JOIN LATERAL {find_region} AS f
UNION ALL
SELECT NULL, b.number, b.bytes, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM shifts_store.low_bits({of_cells}, %s::integer[], %s::date[], %s::bigint[], %s::integer[], %s::integer[],
                           %s::integer[]) AS b
"""


class LowBits(NamedTuple):
    """Ranges of low bits to read: `ByteRanges.parameters`, of a region."""

    region_id: int
    parameters: Sequence[list[Any]]


class Answer(NamedTuple):
    """Region and bytes in one snapshot."""

    region: Region | None
    """None if it never had trips."""
    chunks: list[bytes | None]
    """One for each range; None if the tile does not exist any more."""


@dataclass
class _Request:
    name: str
    low_bits: LowBits | None
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_alone: bool = False
    """Whether it has a statement of its own."""


class SharedReads:
    """Reads regions and low bits for many requests at a time.

    Args:
        pool: connections for reading; it takes up to `_MAX_STATEMENTS` of them while requests wait.
        source: of the tiles.
    """

    def __init__(self, pool: AsyncEngine, source: TileSource = EXACT) -> None:
        self._pool = pool
        self._statement = _STATEMENT.format(
            find_region=source.find_region("n.name"), of_cells=source.min_count is not None
        )
        self._waiting: deque[_Request] = deque()
        self._readers = 0
        """Readers at work."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, name: str, low_bits: LowBits | None) -> Answer:
        """The region and the bytes, in one snapshot that is taken after this call.

        Raises:
            SQLAlchemyError, psycopg.Error: the database does not answer.
        """
        request = _Request(name, low_bits)
        self._waiting.append(request)
        self._start_reader()
        return await request.answer

    async def stop(self) -> None:
        """Ends the statements that run; their requests have been cancelled before."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start_reader(self) -> None:
        if self._waiting and self._readers < _MAX_STATEMENTS:
            self._readers += 1
            task = asyncio.create_task(self._read_waiting())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _read_waiting(self) -> None:
        """Runs statements on one connection until no request waits."""
        requests: Sequence[_Request] = ()
        try:
            async with self._pool.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                async with binary_cursor(connection) as cursor:
                    while self._waiting:
                        requests = self._next()
                        await cursor.execute(self._statement, _parameters(requests))
                        self._deliver(requests, await cursor.fetchall())
                        requests = ()
        except Exception as error:  # any: the requests that wait for the result raise it
            self._readers -= 1
            if requests:
                self._fail(requests, error)
                self._start_reader()
            elif self._readers == 0:
                # There is no connection, and no other reader that has one.
                requests = [*self._waiting]
                self._waiting.clear()
                self._fail(requests, error)
        else:
            self._readers -= 1
            # A request that arrived while the connection was given back found no reader that would look again.
            self._start_reader()

    def _fail(self, requests: Sequence[_Request], error: Exception) -> None:
        """Fails requests; those that shared a statement which needs a worker that is away are repeated one by one."""
        is_repeated = len(requests) > 1 and is_worker_away(error)
        for request in requests:
            if request.answer.done():
                continue
            if is_repeated:
                request.is_alone = True
                self._waiting.append(request)
            else:
                request.answer.set_exception(error)

    def _next(self) -> list[_Request]:
        """The requests of the next statement."""
        first = self._waiting.popleft()
        found = [first]
        while (
            self._waiting and len(found) < _MAX_REQUESTS and not (first.is_alone or self._waiting[0].is_alone)
        ):
            found.append(self._waiting.popleft())
        return found

    @staticmethod
    def _deliver(requests: Sequence[_Request], rows: Sequence[tuple[Any, ...]]) -> None:
        """Divides the rows among the requests."""
        regions: dict[str, Region] = {}
        chunks: dict[int, bytes | None] = {}
        for name, number, chunk, *columns in rows:
            if name is None:
                chunks[number] = chunk
            else:
                regions[name] = Region(*columns)
        first = 1
        for request in requests:
            size = 0 if request.low_bits is None else len(request.low_bits.parameters[0])
            if not request.answer.done():
                own = [chunks.get(number) for number in range(first, first + size)]
                request.answer.set_result(Answer(regions.get(request.name), own))
            first += size


def _parameters(requests: Sequence[_Request]) -> list[Any]:
    """The array parameters of the statement: distinct names, then the ranges of all requests.

    Arrays without quotes are sent as text, which costs a fifth of what the driver's lists cost.
    """
    ranges: list[list[Any]] = [[] for _ in range(6)]
    for low_bits in (request.low_bits for request in requests):
        if low_bits is not None:
            ranges[0].extend([low_bits.region_id] * len(low_bits.parameters[0]))
            for column, values in zip(ranges[1:], low_bits.parameters, strict=True):
                column.extend(values)
    return [
        list({request.name for request in requests}),
        *(f"{{{','.join(map(str, each))}}}" for each in ranges),
    ]
