"""Workers of a database that Citus spreads over several servers: which of them answer."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass
class Workers:
    """What was last known of the workers."""

    state: str | None = None
    """`ok`, or which workers do not answer; None for a database on one server, and before the first check."""

    async def check(self, connection: AsyncConnection) -> None:
        """Asks all workers."""
        try:
            away = await connection.scalar(select(func.shifts_store.workers_away()))
        except SQLAlchemyError as error:
            self.state = f"not known ({type(error).__name__})"
            return
        self.state = away if away is None else f"not reachable: {', '.join(away)}" if away else "ok"
