"""Drives the pipeline by hand: ticks sensors and executes their runs one after the other, on real databases."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg

from shifts_pipeline.sensors.deleted_files import deleted_files
from shifts_pipeline.sensors.landing_zone import landing_zone
from shifts_pipeline.sensors.queued_files import queued_files
from shifts_pipeline.sensors.stale_shifts import stale_shifts
from shifts_pipeline.sensors.stale_weeks import stale_weeks

HEADER = "region,origin_coord,destination_coord,datetime,datasource\n"


def row(
    region: str = "Turin",
    moment: str = "2018-05-28 09:03:40",
    origin: tuple[float, float] = (7.67, 45.01),
    destination: tuple[float, float] = (7.72, 45.06),
    source: str = "baba_car",
) -> str:
    """A line of a trip file."""
    (x0, y0), (x1, y1) = origin, destination
    return f"{region},POINT ({x0!r} {y0!r}),POINT ({x1!r} {y1!r}),{moment},{source}\n"


@dataclass
class Pipeline:
    """The real definitions on real databases."""

    instance: dg.DagsterInstance
    defs: dg.Definitions
    landing: Path
    url: str
    _written: int = field(default=0)

    def put(self, name: str, text: str) -> None:
        """Writes a file into the landing folder; each write is a new version."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self._written += 1
        os.utime(path, (1e9 + self._written, 1e9 + self._written))

    def tick(self, sensor: dg.SensorDefinition, cursor: str | None = None) -> Any:
        """Evaluates a sensor once, and adds the partitions it requests, as the daemon does."""
        names = {"trips_database", "landing", "feed", "load_limits", "shift_making", "cells"}
        resources = {name: self.defs.resources[name] for name in names}  # type: ignore[index]
        with dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            definitions=self.defs,
            resources=resources,
            cursor=cursor,
        ) as context:
            data = sensor.evaluate_tick(context)
        for request in data.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        return data

    def run(
        self, job: str, tags: dict[str, str], assets: Sequence[dg.AssetKey] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Executes a job, or some assets of it, in this process."""
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=tags,
            raise_on_error=False,
            asset_selection=None if assets is None else list(assets),
        )

    def load(self) -> list[dg.ExecuteInProcessResult]:
        """Loads the files of the landing folder."""
        self.tick(landing_zone)
        requests = self.tick(queued_files).run_requests
        return [self.run("load_trip_files", dict(request.tags)) for request in requests]

    def load_reference_files(self) -> list[dg.ExecuteInProcessResult]:
        """Executes the runs that the sensor requests for reference files, if any have changed."""
        requests = self.tick(landing_zone).run_requests or []
        return [self.run(str(request.job_name), dict(request.tags)) for request in requests]

    def let_the_wait_pass(self) -> None:
        """Ends the pause of files whose attempt failed."""
        self.execute("UPDATE shifts_store.trip_files SET requested_at = requested_at - interval '1 hour'")

    def refresh(self) -> list[dg.ExecuteInProcessResult]:
        """Executes the runs that the sensor requests for stale pairs, until it requests none."""
        runs: list[dg.ExecuteInProcessResult] = []
        while requests := self.tick(stale_weeks).run_requests:
            runs += [self.run("refresh_weeks", dict(request.tags)) for request in requests]
        return runs

    def make_shifts(self) -> list[dg.ExecuteInProcessResult]:
        """Executes the runs that the sensor requests for shifts, until it requests none."""
        runs: list[dg.ExecuteInProcessResult] = []
        while requests := self.tick(stale_shifts).run_requests:
            runs += [self.run("refresh_shifts", dict(request.tags)) for request in requests]
        return runs

    def delete(self) -> list[dg.ExecuteInProcessResult]:
        """Executes the run that the sensor requests for files that are to be deleted, if there are any."""
        requests = self.tick(deleted_files).run_requests or []
        return [self.run("delete_files", dict(request.tags)) for request in requests]

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the trips database."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement, values).fetchall()

    def execute(self, statement: str) -> None:
        """Executes a statement in the trips database."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement)

    def ledger(self) -> dict[str, tuple[str, int, int]]:
        """The newest version of each file: status, rows loaded, rows rejected."""
        return {
            name: (status, loaded, rejected)
            for name, status, loaded, rejected in self.query(
                "SELECT name, status, rows_loaded, rows_rejected FROM shifts.files ORDER BY file_id"
            )
        }

    def trips(self) -> int:
        """Number of trips."""
        return int(self.query("SELECT count(*) FROM shifts.trips")[0][0])
