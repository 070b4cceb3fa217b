"""Weeks of commutes in files of their own, and the shifts that the tables hold."""

import logging
from datetime import date, timedelta
from typing import Any

import numpy as np
import psycopg

from shifts_core.calendar import monday_of_week
from shifts_core.shifts.history import TripHistory
from shifts_core.shifts.parameters import ShiftParameters
from shifts_pipeline.storage.shifts.run import RefreshedShifts, ShiftRequest, refresh_shifts
from shifts_pipeline.storage.shifts.state import MakingOptions
from tests.integration.loading.loading import Loader
from tests.unit.core.shifts.scenarios import FIRST_WEEK, Commute, random_commutes, town
from tests.unit.core.trips.reading import HEADER

WEEKS = 7
OPTIONS = MakingOptions(ShiftParameters(), 4)
_EMPTIED = "shifts, shift_makings, shift_attempts, shift_parameters, failed_pair_checks, regions"


def week(number: int) -> date:
    """The Monday of a week, counted from 0."""
    return monday_of_week(FIRST_WEEK + number)


def commutes(seed: int) -> list[Commute]:
    """Some that stand in every week, some that begin, some that end."""
    standing = random_commutes(seed, 6, WEEKS)
    return [
        Commute(each.metres, each.minute, each.weekdays, each.riders, weeks)
        for each, weeks in zip(
            standing,
            [range(WEEKS), range(WEEKS), range(WEEKS), range(4), range(2, WEEKS), range(3, 6)],
            strict=True,
        )
    ]


def lines_by_week(region: str, history: TripHistory) -> list[bytes]:
    """The lines of a file for each week."""
    lines: list[list[str]] = [[] for _ in range(WEEKS)]
    for (x0, y0, x1, y1), second, day in zip(
        history.od_coords, history.times_s, history.days.tolist(), strict=True
    ):
        moment = np.datetime64(monday_of_week(0) + timedelta(days=day), "s") + int(second)
        lines[day // 7 - FIRST_WEEK].append(
            f"{region},POINT ({x0:.6f} {y0:.6f}),POINT ({x1:.6f} {y1:.6f}),{moment},test\n"
        )
    return ["".join(each).encode() for each in lines]


def region_weeks(region: str, seed: int, scattered: int = 300) -> list[bytes]:
    """The lines of a generated region for each week."""
    return lines_by_week(region, town(commutes(seed), scattered, WEEKS, seed))


def empty(loader: Loader) -> None:
    """Empties the tables of regions and shifts."""
    loader.execute("SET search_path = shifts_store, public; TRUNCATE " + _EMPTIED + " CASCADE")
    loader.empty()


def load(loader: Loader, name: str, lines: bytes) -> None:
    """Loads a file. Aggregates and clusters are not what is tested: they are up to date."""
    loader.put(name, HEADER + lines)
    loader.load(name)
    settle(loader)


def settle(loader: Loader) -> None:
    """Marks aggregates and clusters as up to date."""
    loader.execute(
        "UPDATE shifts_store.region_weeks SET aggregates_revision = revision, clusters_revision = revision"
    )


def request(options: MakingOptions = OPTIONS, **changes: Any) -> ShiftRequest:
    """What the sensor's runs are to do, or something else."""
    defaults: dict[str, Any] = {
        "options": options,
        "weeks": (),
        "regions": (),
        "only_due": True,
        "max_s": 1e9,
        "run_id": "run",
        "log": logging.getLogger("test"),
    }
    return ShiftRequest(**defaults | changes)


def refresh(connection: psycopg.Connection, **changes: Any) -> RefreshedShifts:
    """Refreshes what is due, or what is asked for."""
    found = refresh_shifts(connection, request(**changes))
    assert found.failures == []
    return found


def shifts(loader: Loader) -> list[tuple[Any, ...]]:
    """All that the tables say of shifts, apart from the numbers of their trips."""
    return loader.query(
        """
        SELECT v.*, s.weekdays, s.trips, s.pickup_walk_m, s.pickup_walk_max_m, s.dropoff_walk_m,
               s.dropoff_walk_max_m, s.last_riders, s.last_departures, s.first_week_in_history
        FROM shifts.shifts v JOIN shifts_store.regions r ON r.name = v.region
        JOIN shifts_store.shifts s USING (region_id, week, rank)
        ORDER BY v.region, v.week, v.rank
        """
    )


def is_stale(loader: Loader) -> bool:
    """Whether makings have not seen some change."""
    return bool(loader.query("SELECT FROM shifts_store.region_weeks WHERE shifts_revision <> revision"))
