"""What the Dagster UI shows of the shifts after a week: figures, the best shifts as a table and as a picture."""

from datetime import date

import dagster as dg
import psycopg

from shifts_pipeline.assets import plots
from shifts_pipeline.display_text import printable
from shifts_pipeline.storage.shifts import summary
from shifts_pipeline.storage.shifts.summary import ShiftTotals

DESCRIPTION = """\
Departures of a timetable, made from the trips of the last weeks.

A shift has a pickup, a drop-off, weekdays and a time window. Shifts are ranked by the trips that they add, and keep
their ids from week to week. A partition is the last ISO week of the history, by its Monday; each region has shifts of
its own. They are stale when any week of the history has changed: the sensor `stale_shifts` has them made again after
the clusters.

SQL: `shifts.shifts`. HTTP: `/api/v1/shifts`.
"""
_SHIFTS_LISTED = 10
_SHIFTS_PLOTTED = 60

Metadata = dict[str, dg.MetadataValue]


def figures(connection: psycopg.Connection, week: date, totals: ShiftTotals) -> Metadata:
    """Numbers of shifts and trips, and the shifts that count most trips as a table."""
    metadata: Metadata = {
        "dagster/partition_row_count": dg.MetadataValue.int(totals.shifts),
        "regions": dg.MetadataValue.int(totals.regions),
        "trips": dg.MetadataValue.int(totals.trips),
        "trips_served": dg.MetadataValue.int(totals.trips_served),
        "share_served": dg.MetadataValue.float(round(totals.trips_served / max(totals.trips, 1), 4)),
    }
    for status, count in sorted(summary.shifts_by_status(connection, week).items()):
        metadata[f"shifts_{status}"] = dg.MetadataValue.int(count)
    if totals.shifts:
        metadata["best_shifts"] = _best_shifts(connection, week)
    return metadata


def best_places(connection: psycopg.Connection, week: date) -> Metadata:
    """A map of the first shifts of the region whose shifts count most trips, as arrows; none without shifts."""
    found = summary.places(connection, week, _SHIFTS_PLOTTED)
    if found is None:
        return {}
    region, places, trips = found
    return {"map": plots.flows_map(places, trips, f"{printable(region)} {week:%G-W%V}: best shifts")}


def _best_shifts(connection: psycopg.Connection, week: date) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "region": printable(shift.region),
                    "rank": shift.rank,
                    "weekdays": shift.weekdays,
                    "departs": f"{shift.departs:%H:%M}",
                    "riders": round(shift.riders, 1),
                    "regularity": round(shift.regularity, 2),
                    "weeks": shift.weeks,
                    "status": shift.status,
                    "trips": shift.trips,
                }
            )
            for shift in summary.best_shifts(connection, week, _SHIFTS_LISTED)
        ]
    )
