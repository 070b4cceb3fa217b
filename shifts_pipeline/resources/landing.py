"""The resource `landing`: the landing zone, a folder or a bucket."""

from functools import cached_property
from threading import Thread
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from shifts_core.landing.open_zone import open_zone
from shifts_core.landing.retry_options import RetryOptions
from shifts_core.landing.zone import LandingZone
from shifts_core.trips.read_csv import load_compiled

if TYPE_CHECKING:
    from google.cloud.storage import Client

RETRY_OPTIONS = RetryOptions(deadline_s=40.0)
"""For requests to a bucket: Dagster ends the evaluation of a sensor after 60 s."""


class Landing(dg.ConfigurableResource["Landing"]):
    """The landing zone that files are dropped into."""

    url: str = Field(description="A folder, or gs://bucket/prefix. Setting: SHIFTS_LANDING_URL.")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """In a run, loads the compiled reader of files while the run connects to its databases."""
        if context.run is not None:
            Thread(target=load_compiled, name="load-compiled-reader").start()

    @cached_property
    def zone(self) -> LandingZone:
        """The folder or bucket at the URL."""
        return open_zone(self.url, _connect_to_gcs, RETRY_OPTIONS)


def _connect_to_gcs() -> "Client":
    # The import takes two seconds, which runs and sensors over a folder save.
    from dagster_gcp import GCSResource  # noqa: PLC0415

    return GCSResource().get_client()
