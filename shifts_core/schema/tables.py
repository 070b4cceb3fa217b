"""Tables of the trips database, in schema `shifts_store`: columns, primary keys and foreign keys.

Indexes, checks and defaults are defined in `sql/trips_db/migrations` only: no statement depends on their declaration.
"""

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Time,
)

metadata = MetaData(schema="shifts_store")


def point() -> Geometry:
    """The type of a point in degrees, longitude first. Each column needs an instance: it records nullability."""
    return Geometry("POINT", 4326, spatial_index=False)


regions = Table(
    "regions",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
)

trip_files = Table(
    "trip_files",
    metadata,
    Column("file_id", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("size_bytes", BigInteger),
    Column("content_hash", Text),
    Column("status", Text, nullable=False),
    Column("duplicate_of", BigInteger, ForeignKey("trip_files.file_id")),
    Column("rows_loaded", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("run_request_id", Text),
    Column("requested_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False),
    Column("run_id", Text),
    Column("queued_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("published_at", DateTime(timezone=True)),
    Column("error", Text),
)

rejected_rows = Table(
    "rejected_rows",
    metadata,
    Column("file_id", BigInteger, ForeignKey("trip_files.file_id"), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
)

trips = Table(
    "trips",
    metadata,
    Column("trip_id", BigInteger, nullable=False),
    Column("started_at", DateTime, nullable=False),
    Column("region_id", Integer, nullable=False),
    Column("source_id", Integer, nullable=False),
    Column("file_id", BigInteger, nullable=False),
    Column("origin", point(), nullable=False),
    Column("destination", point(), nullable=False),
)

region_weeks = Table(
    "region_weeks",
    metadata,
    Column("region_id", Integer, ForeignKey("regions.region_id"), primary_key=True),
    Column("week", Date, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("stale_since", DateTime(timezone=True), nullable=False),
    Column("deletion_count", BigInteger, nullable=False),
    Column("aggregates_revision", BigInteger, nullable=False),
    Column("aggregates_at", DateTime(timezone=True)),
    Column("tiles_revision", BigInteger, nullable=False),
    Column("clusters_revision", BigInteger, nullable=False),
    Column("clusters_at", DateTime(timezone=True)),
)

file_week_counts = Table(
    "file_week_counts",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("file_id", BigInteger, ForeignKey("trip_files.file_id"), primary_key=True),
    Column("trips", BigInteger, nullable=False),
    Column("first_at", DateTime, nullable=False),
    Column("last_at", DateTime, nullable=False),
    Column("aggregated", Boolean, nullable=False),
)

refresh_attempts = Table(
    "refresh_attempts",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("derived_table", Text, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("retry_at", DateTime(timezone=True), nullable=False),
    Column("error", Text, nullable=False),
)

trip_clusters = Table(
    "trip_clusters",
    metadata,
    Column("cluster_id", BigInteger, primary_key=True),
    Column("region_id", Integer, nullable=False),
    Column("week", Date, primary_key=True),
    Column("time_bin", SmallInteger, nullable=False),
    Column("trips", Integer, nullable=False),
    Column("radius_m", Double, nullable=False),
    Column("typical_time", Time, nullable=False),
    Column("earliest_time", Time, nullable=False),
    Column("latest_time", Time, nullable=False),
    Column("share_of_bin", Double, nullable=False),
    Column("origin", point(), nullable=False),
    Column("destination", point(), nullable=False),
)

trip_cluster_members = Table(
    "trip_cluster_members",
    metadata,
    Column("week", Date, primary_key=True),
    Column("region_id", Integer, nullable=False),
    Column("cluster_id", BigInteger, nullable=False),
    Column("trip_id", BigInteger, primary_key=True),
)

weekly_trip_tiles = Table(
    "weekly_trip_tiles",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("tile", Integer, primary_key=True),
    Column("trips", Integer, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("high_bits", LargeBinary, nullable=False),
    Column("low_bits", LargeBinary, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("file_id", BigInteger, ForeignKey("trip_files.file_id")),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

ledger_changes = Table(
    "ledger_changes",
    metadata,
    Column("status", Text, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("rows_loaded", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
)
