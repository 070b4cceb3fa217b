"""The resource `feed`: the outbox in Dagster's database, from which the API streams events."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from shifts_pipeline.storage import database
from shifts_pipeline.storage.outbox import Outbox


class Feed(dg.ConfigurableResource["Feed"]):
    """The database that holds the outbox of the event feed."""

    url: str = Field(description="URL of Dagster's database. Setting: SHIFTS_DAGSTER_DATABASE_URL.")

    @contextmanager
    def outbox(self) -> Iterator[Outbox]:
        """Opens the outbox on a connection of its own."""
        with database.connect(self.url, autocommit=True) as connection:
            yield Outbox(connection)
