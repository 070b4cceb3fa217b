"""What the Dagster UI shows of a week of the weekly assets: figures, tables, pictures and links."""

from datetime import date

import dagster as dg
import psycopg

from shifts_pipeline.assets import plots
from shifts_pipeline.assets.partition_links import file_links
from shifts_pipeline.display_text import printable
from shifts_pipeline.storage import week_summary
from shifts_pipeline.storage.refresh_week import RefreshedWeek
from shifts_pipeline.storage.stale_pairs import WeekTotals

AGGREGATES_DESCRIPTION = """\
Trips per week, and tiles to count any area.

A partition is an ISO week with trips, by its Monday. It is materialized when it is fresh for every region: a load
makes the weeks of its trips stale, and the sensor `stale_weeks` refreshes them. Statistics of stale weeks are exact
and fast, too: a load writes tiles of its trips, and a refresh merges them.

SQL: `shifts.weekly`. HTTP: `/api/v1/trips/stats`, `/api/v1/trips/weekly`.
"""
CLUSTERS_DESCRIPTION = """\
Trips of a week that could share a ride.

The trips of a cluster start and end within a radius of its centroids, and start within one time window of the day,
on any day of the week. A partition is an ISO week with trips, by its Monday; each region is clustered by itself.
To apply other parameters (resource `clustering`) to a week, materialize its partition.

SQL: `shifts.clusters`, `shifts.cluster_members`. HTTP: `/api/v1/clusters`.
"""
_REGIONS_LISTED = 20
_CLUSTERS_LISTED = 10
_FILES_LINKED = 20
_FLOWS_PLOTTED = 60

Metadata = dict[str, dg.MetadataValue]


def refresh_figures(refreshed: RefreshedWeek) -> Metadata:
    """What the run did."""
    return {
        "regions_refreshed": dg.MetadataValue.int(refreshed.pairs),
        "trips_read": dg.MetadataValue.int(refreshed.trips),
        "seconds": dg.MetadataValue.float(round(refreshed.seconds, 2)),
    }


def files(connection: psycopg.Connection, week: date) -> Metadata:
    """Links to the files with most trips in the week."""
    names, count = week_summary.largest_files(connection, week, _FILES_LINKED)
    return {"files": file_links(names, count)}


def aggregates_figures(totals: WeekTotals) -> Metadata:
    """Numbers of trips and regions."""
    return {
        "dagster/partition_row_count": dg.MetadataValue.int(totals.trips),
        "regions": dg.MetadataValue.int(totals.regions),
    }


def trips_by_region(connection: psycopg.Connection, week: date) -> Metadata:
    """The regions with most trips and these numbers, as a table."""
    largest = week_summary.largest_regions(connection, week, _REGIONS_LISTED)
    return {
        "trips_by_region": dg.MetadataValue.table(
            [dg.TableRecord({"region": printable(region), "trips": trips}) for region, trips in largest]
        )
    }


def clusters_figures(connection: psycopg.Connection, week: date, totals: WeekTotals) -> Metadata:
    """Numbers of clusters and trips, radii, and the largest clusters as a table."""
    found = week_summary.cluster_totals(connection, week)
    metadata: Metadata = {
        "dagster/partition_row_count": dg.MetadataValue.int(found.clusters),
        "regions": dg.MetadataValue.int(totals.regions),
        "trips": dg.MetadataValue.int(totals.trips),
        "trips_clustered": dg.MetadataValue.int(found.trips),
        "share_clustered": dg.MetadataValue.float(round(found.trips / max(totals.trips, 1), 4)),
    }
    if found.clusters:
        metadata |= {
            name: dg.MetadataValue.float(round(getattr(found, name), 1))
            for name in ("radius_m_median", "radius_m_p95", "radius_m_max")
        }
        metadata["largest_clusters"] = _largest_clusters(connection, week)
    return metadata


def strongest_flows(connection: psycopg.Connection, week: date) -> Metadata:
    """A map of the largest clusters of the region with most trips, as arrows; none without clusters."""
    for region, _ in week_summary.largest_regions(connection, week, 1):
        centroids, trips = week_summary.flows(connection, week, region, _FLOWS_PLOTTED)
        if len(trips):
            title = f"{printable(region)} {week:%G-W%V}: strongest flows"
            return {"strongest_flows": plots.flows_map(centroids, trips, title)}
    return {}


def _largest_clusters(connection: psycopg.Connection, week: date) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "region": printable(cluster.region),
                    "trips": cluster.trips,
                    "typical": f"{cluster.typical:%H:%M}",
                    "earliest": f"{cluster.earliest:%H:%M}",
                    "latest": f"{cluster.latest:%H:%M}",
                    "radius_m": round(cluster.radius_m, 1),
                    "origin": cluster.origin,
                    "destination": cluster.destination,
                }
            )
            for cluster in week_summary.largest_clusters(connection, week, _CLUSTERS_LISTED)
        ]
    )
