"""The resource `trips_database`: connections to the PostGIS database of the trips."""

import dagster as dg
import psycopg
from pydantic import Field

from shifts_pipeline.storage import database


class TripsDatabase(dg.ConfigurableResource["TripsDatabase"]):
    """The PostGIS database that holds the trips."""

    url: str = Field(description="URL of the PostGIS database. Setting: SHIFTS_DATABASE_URL.")

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """Opens a new connection, which the caller closes."""
        return database.connect(self.url, autocommit=autocommit)
