"""The real pipeline on a service's databases, run step by step by the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest

from shifts_pipeline.definitions import build_defs
from shifts_pipeline.sensors import waiting
from shifts_pipeline.settings import PipelineSettings
from tests.conftest import dagster_instance
from tests.integration.api.running import Service
from tests.integration.pipeline.harness import Pipeline


@contextmanager
def pipeline_of(service: Service, min_count: int | None = None) -> Iterator[Pipeline]:
    """The pipeline of a service, with sensors that do not wait."""
    with pytest.MonkeyPatch.context() as patch, dagster_instance(service.dagster_database_url) as instance:
        patch.setattr(waiting, "WATCH_S", 0.0)
        patch.setattr("shifts_pipeline.sensors.landing_zone.WATCH_S", 0.0)
        patch.setenv("SHIFTS_DATABASE_URL", service.database_url)
        patch.setenv("SHIFTS_DAGSTER_DATABASE_URL", service.dagster_database_url)
        patch.setenv("SHIFTS_LANDING_URL", str(service.landing))
        options = PipelineSettings(
            database_url=service.database_url,
            dagster_database_url=service.dagster_database_url,
            landing_url=str(service.landing),
            first_week=date(2000, 1, 3),
            min_count=min_count,
        )
        yield Pipeline(instance, build_defs(options), service.landing, service.database_url)
