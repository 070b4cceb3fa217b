"""Views of the trips database: the stable ones of schema `shifts`, and internal ones of `shifts_store`."""

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    Time,
)

from shifts_core.schema.tables import point

metadata = MetaData(schema="shifts")

trips = Table(
    "trips",
    metadata,
    Column("trip_id", BigInteger),
    Column("region", Text),
    Column("origin", point()),
    Column("destination", point()),
    Column("started_at", DateTime),
    Column("source", Text),
    Column("file_id", BigInteger),
)

clusters = Table(
    "clusters",
    metadata,
    Column("cluster_id", BigInteger),
    Column("region", Text),
    Column("week", Date),
    Column("time_of_day", Time),
    Column("trips", Integer),
    Column("radius_m", Double),
    Column("origin", point()),
    Column("destination", point()),
)

cluster_members = Table(
    "cluster_members",
    metadata,
    Column("cluster_id", BigInteger),
    Column("trip_id", BigInteger),
)

weekly = Table(
    "weekly",
    metadata,
    Column("region", Text),
    Column("week", Date),
    Column("trips", BigInteger),
)

files = Table(
    "files",
    metadata,
    Column("file_id", BigInteger),
    Column("name", Text),
    Column("uri", Text),
    Column("status", Text),
    Column("rows_loaded", BigInteger),
    Column("rows_rejected", BigInteger),
    Column("task_id", Text),
    Column("run_id", Text),
    Column("queued_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("error", Text),
    Column("deleted_by", Text),
)

rejects = Table(
    "rejects",
    metadata,
    Column("file_id", BigInteger),
    Column("line", BigInteger),
    Column("reason", Text),
    Column("raw", Text),
)

shifts = Table(
    "shifts",
    metadata,
    Column("shift_id", BigInteger),
    Column("region", Text),
    Column("week", Date),
    Column("rank", Integer),
    Column("weekdays", Text),
    Column("departs", Time),
    Column("earliest", Time),
    Column("latest", Time),
    Column("riders", Double),
    Column("riders_low", Integer),
    Column("riders_high", Integer),
    Column("regularity", Double),
    Column("weeks", Integer),
    Column("first_week", Date),
    Column("status", Text),
    Column("pickup", point()),
    Column("dropoff", point()),
)

zones = Table(
    "zones",
    metadata,
    Column("name", Text),
    Column("region", Text),
    Column("geometry", Geometry("MULTIPOLYGON", 4326, spatial_index=False)),
)

stops = Table(
    "stops",
    metadata,
    Column("region", Text),
    Column("name", Text),
    Column("place", point()),
    Column("file", Text),
)

grouped_trips = Table(
    "grouped_trips",
    metadata,
    Column("cluster_id", BigInteger),
    Column("region", Text),
    Column("week", Date),
    Column("time_of_day", Time),
    Column("trips", Integer),
    Column("trip_id", BigInteger),
    Column("started_at", DateTime),
    Column("origin", point()),
    Column("destination", point()),
    Column("source", Text),
)

stale_weeks = Table(
    "stale_weeks",
    metadata,
    Column("region", Text),
    Column("region_id", Integer),
    Column("week", Date),
    Column("stale_since", DateTime(timezone=True)),
    Column("aggregates_stale", Boolean),
    Column("clusters_stale", Boolean),
    schema="shifts_store",
)

failed_refreshes = Table(
    "failed_refreshes",
    metadata,
    Column("region", Text),
    Column("week", Date),
    Column("derived_table", Text),
    Column("attempts", Integer),
    Column("started_at", DateTime(timezone=True)),
    Column("error", Text),
    schema="shifts_store",
)
