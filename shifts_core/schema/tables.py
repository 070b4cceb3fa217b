"""Tables of the trips database, in schema `shifts_store`: columns, primary keys and foreign keys.

Indexes, checks and defaults are defined in `sql/trips_db/migrations` only: no statement depends on their declaration.
Columns of trips and of tables derived from them have comments, which the Dagster UI shows.
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    Column("deletion_requested_at", DateTime(timezone=True)),
    Column("deleted_by", Text),
    Column("readmitted_at", DateTime(timezone=True)),
    Column("rows_expired", BigInteger, nullable=False),
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
    Column(
        "trip_id",
        BigInteger,
        nullable=False,
        comment="Identifier: 2^40 times the week number since 1970-01-05, plus a running number",
    ),
    Column(
        "started_at",
        DateTime,
        nullable=False,
        comment="Start of the trip, local wall clock without time zone",
    ),
    Column("region_id", Integer, nullable=False, comment="Region, see shifts_store.regions"),
    Column(
        "source_id",
        Integer,
        nullable=False,
        comment="Data source that reported the trip, see shifts_store.sources",
    ),
    Column(
        "file_id",
        BigInteger,
        nullable=False,
        comment="Version of the file that the trip was loaded from, see shifts_store.trip_files",
    ),
    Column(
        "origin",
        point(),
        nullable=False,
        comment="Where the trip starts, in degrees (WGS 84), longitude first",
    ),
    Column(
        "destination",
        point(),
        nullable=False,
        comment="Where the trip ends, in degrees (WGS 84), longitude first",
    ),
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
    Column("merged_revision", BigInteger, nullable=False),
    Column("shifts_revision", BigInteger, nullable=False),
    Column("shifts_stale_since", DateTime(timezone=True), nullable=False),
    Column("cells_revision", BigInteger, nullable=False),
    Column("cells_min_count", Integer),
    Column("cells_trips", BigInteger, nullable=False),
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
    Column("cells_pool", BigInteger),
)

cell_tiles = Table(
    "cell_tiles",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("segment", BigInteger, primary_key=True),
    Column("tile", Integer, primary_key=True),
    Column("trips", Integer, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("high_bits", LargeBinary, nullable=False),
    Column("low_bits", LargeBinary, nullable=False),
)

cell_settings = Table(
    "cell_settings",
    metadata,
    Column("is_set", Boolean, primary_key=True),
    Column("min_count", Integer, nullable=False),
)

expired_weeks = Table(
    "expired_weeks",
    metadata,
    Column("week", Date, primary_key=True),
    Column("expired_at", DateTime(timezone=True), nullable=False),
    Column("trips", BigInteger, nullable=False),
)

expired_totals = Table(
    "expired_totals",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("trips", BigInteger, nullable=False),
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

failed_pair_checks = Table(
    "failed_pair_checks",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("derived_table", Text, nullable=False),
    Column("check_name", Text, primary_key=True),
    Column("details", JSONB, nullable=False),
)

blocked_pairs = Table(
    "blocked_pairs",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("file_id", BigInteger, primary_key=True),
    Column("blocked_at", DateTime(timezone=True), nullable=False),
)

week_audits = Table(
    "week_audits",
    metadata,
    Column("week", Date, primary_key=True),
    Column("audited_at", DateTime(timezone=True), nullable=False),
    Column("trips", BigInteger, nullable=False),
    Column("differences", JSONB, nullable=False),
)

file_audits = Table(
    "file_audits",
    metadata,
    Column("first_file_id", BigInteger, primary_key=True),
    Column("audited_at", DateTime(timezone=True), nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("differences", JSONB, nullable=False),
)

trip_clusters = Table(
    "trip_clusters",
    metadata,
    Column(
        "cluster_id",
        BigInteger,
        primary_key=True,
        comment="Identifier, derived from the trips: the same trips give the same identifier",
    ),
    Column("region_id", Integer, nullable=False, comment="Region, see shifts_store.regions"),
    Column("week", Date, primary_key=True, comment="Monday of the ISO week"),
    Column(
        "time_bin",
        SmallInteger,
        nullable=False,
        comment="Time bin of the typical time, counted from midnight; a bin has SHIFTS_TIME_BIN_MINUTES minutes",
    ),
    Column("trips", Integer, nullable=False, comment="Number of trips in the cluster"),
    Column(
        "radius_m",
        Double,
        nullable=False,
        comment="Distance in metres from the centroid to the farthest trip, at either end",
    ),
    Column("typical_time", Time, nullable=False, comment="Median start of the trips, local wall clock"),
    Column(
        "earliest_time",
        Time,
        nullable=False,
        comment="Start of the first trip, local wall clock; later than latest_time if the cluster crosses midnight",
    ),
    Column("latest_time", Time, nullable=False, comment="Start of the last trip, local wall clock"),
    Column(
        "share_of_bin",
        Double,
        nullable=False,
        comment="Trips of the cluster per trip that starts in the time bin on any day of the week, 0 to 1",
    ),
    Column(
        "origin",
        point(),
        nullable=False,
        comment="Centroid of the origins, in degrees (WGS 84), longitude first",
    ),
    Column(
        "destination",
        point(),
        nullable=False,
        comment="Centroid of the destinations, in degrees (WGS 84), longitude first",
    ),
    Column(
        "trip_ids",
        ARRAY(BigInteger),
        nullable=False,
        comment="Its trips, ascending; a trip is in one cluster at most",
    ),
)

shift_makings = Table(
    "shift_makings",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("parameters", Text, nullable=False),
    Column("history_weeks", ARRAY(Date), nullable=False),
    Column("history_revisions", ARRAY(BigInteger), nullable=False),
    Column("earlier_names", LargeBinary, nullable=False),
    Column("names", LargeBinary, nullable=False),
    Column("trips", BigInteger, nullable=False),
    Column("trips_served", BigInteger, nullable=False),
    Column("shifts", Integer, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("stops", LargeBinary, nullable=False),
)

shifts = Table(
    "shifts",
    metadata,
    Column("region_id", Integer, primary_key=True, comment="Region, see shifts_store.regions"),
    Column(
        "week",
        Date,
        primary_key=True,
        comment="Monday of the last ISO week of the history that the shift was made from",
    ),
    Column(
        "rank",
        Integer,
        primary_key=True,
        comment="From 1: the first shifts together count the most trips of the history",
    ),
    Column(
        "shift_id", BigInteger, nullable=False, comment="Identifier, the same in the weeks in which it stands"
    ),
    Column("weekdays", SmallInteger, nullable=False, comment="Days on which it departs, bit 0 for Monday"),
    Column("departs", Time, nullable=False, comment="Typical departure, local wall clock"),
    Column("earliest", Time, nullable=False, comment="Earliest start of a trip that it counts"),
    Column("latest", Time, nullable=False, comment="Latest start of a trip that it counts"),
    Column("riders", Double, nullable=False, comment="Riders expected on a departure"),
    Column("riders_low", Integer, nullable=False, comment="10 % quantile of the riders on a departure"),
    Column("riders_high", Integer, nullable=False, comment="90 % quantile of the riders on a departure"),
    Column(
        "regularity",
        Double,
        nullable=False,
        comment="Share of its departures in the history with enough riders, 0 to 1",
    ),
    Column("weeks", Integer, nullable=False, comment="Weeks of the history with such a departure"),
    Column("first_week", Date, nullable=False, comment="Monday of the first week in which it ran"),
    Column("status", Text, nullable=False, comment="new, continuing or ending"),
    Column("trips", Integer, nullable=False, comment="Trips of the history that it and no better one counts"),
    Column(
        "pickup", point(), nullable=False, comment="Where it starts, in degrees (WGS 84), longitude first"
    ),
    Column("dropoff", point(), nullable=False, comment="Where it ends, in degrees (WGS 84), longitude first"),
    Column("pickup_walk_m", Double, nullable=False, comment="Mean distance to the pickup in metres"),
    Column("pickup_walk_max_m", Double, nullable=False, comment="Largest distance to the pickup in metres"),
    Column("dropoff_walk_m", Double, nullable=False, comment="Mean distance from the drop-off in metres"),
    Column(
        "dropoff_walk_max_m", Double, nullable=False, comment="Largest distance from the drop-off in metres"
    ),
    Column(
        "first_week_in_history",
        Date,
        nullable=False,
        comment="Monday of the first week of the history in which it ran",
    ),
    Column("last_riders", Integer, nullable=False, comment="Riders in the last week of the history"),
    Column("last_departures", Integer, nullable=False, comment="Departures in that week, on days with data"),
    Column("trip_ids", ARRAY(BigInteger), nullable=False, comment="Trips that it counts, ascending"),
    Column("pickup_stop", Text, comment="Label of the stop at the pickup; null if it is a point of a trip"),
    Column(
        "dropoff_stop", Text, comment="Label of the stop at the drop-off; null if it is a point of a trip"
    ),
)

stop_files = Table(
    "stop_files",
    metadata,
    Column("name", Text, primary_key=True, comment="Name in the landing zone"),
    Column("version", Text, nullable=False, comment="Version that was read last"),
    Column("region", Text, comment="Region whose stops they are; null if the name says none"),
    Column(
        "stops", Integer, nullable=False, comment="Stops in force, of the last version that could be used"
    ),
    Column("rejected", Integer, nullable=False, comment="Rejected rows of that version"),
    Column("error", Text, comment="Why the version that was read last cannot be used"),
    Column("read_at", DateTime(timezone=True), nullable=False, comment="When the file was read"),
)

stops = Table(
    "stops",
    metadata,
    Column(
        "file",
        Text,
        ForeignKey("stop_files.name"),
        primary_key=True,
        comment="File, see shifts_store.stop_files",
    ),
    Column("number", Integer, primary_key=True, comment="Place in the file, from 1"),
    Column("label", Text, nullable=False, comment="Name, id or coordinates"),
    Column("place", point(), nullable=False, comment="In degrees (WGS 84), longitude first"),
)

rejected_stops = Table(
    "rejected_stops",
    metadata,
    Column("file", Text, ForeignKey("stop_files.name"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
)

region_stops = Table(
    "region_stops",
    metadata,
    Column("region", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
)

shift_attempts = Table(
    "shift_attempts",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("retry_at", DateTime(timezone=True), nullable=False),
    Column("error", Text, nullable=False),
)

shift_parameters = Table("shift_parameters", metadata, Column("parameters", Text, primary_key=True))

weekly_trip_tiles = Table(
    "weekly_trip_tiles",
    metadata,
    Column("region_id", Integer, primary_key=True, comment="Region, see shifts_store.regions"),
    Column("week", Date, primary_key=True, comment="Monday of the ISO week"),
    Column(
        "tile",
        Integer,
        primary_key=True,
        comment="Number of the tile within its segment, from 0, in k-d order of the trips",
    ),
    Column("trips", Integer, nullable=False, comment="Number of trips in the tile"),
    Column(
        "leaves",
        LargeBinary,
        nullable=False,
        comment="Bounds in degrees, number of trips and decimals of each leaf, binary",
    ),
    Column(
        "high_bits",
        LargeBinary,
        nullable=False,
        comment="High bits of the four coordinates of each trip, relative to its leaf, binary",
    ),
    Column(
        "low_bits",
        LargeBinary,
        nullable=False,
        comment="Low bits of the four coordinates of each trip, binary; read only where the high bits do not decide",
    ),
    Column(
        "segment",
        BigInteger,
        primary_key=True,
        comment="Segment that the tile belongs to, see shifts_store.tile_segments",
    ),
)

tile_segments = Table(
    "tile_segments",
    metadata,
    Column("region_id", Integer, primary_key=True),
    Column("week", Date, primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("segment", BigInteger, primary_key=True),
    Column("file_id", BigInteger),
    Column("trips", BigInteger, nullable=False),
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

zone_files = Table(
    "zone_files",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("region", Text),
    Column("zones", Integer, nullable=False),
    Column("error", Text),
    Column("read_at", DateTime(timezone=True), nullable=False),
)

zones = Table(
    "zones",
    metadata,
    Column("zone_id", BigInteger, primary_key=True, comment="Identifier"),
    Column("region_id", Integer, comment="Region, see shifts_store.regions; null if it is of none"),
    Column("name", Text, nullable=False, comment="Unique in its region"),
    Column(
        "geometry",
        Geometry("GEOMETRY", 4326, spatial_index=False),
        nullable=False,
        comment="Polygon or multipolygon in degrees (WGS 84), longitude first",
    ),
    Column("file", Text, ForeignKey("zone_files.name"), comment="File; null if the API stored it last"),
    Column("revision", BigInteger, nullable=False, comment="Changes with the geometry"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("session_secret", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("regions", ARRAY(Text)),
    Column("aggregates_only", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("session", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

audit_trail = Table(
    "audit_trail",
    metadata,
    Column("entry_id", BigInteger, primary_key=True),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("key_id", BigInteger),
    Column("client", Text),
    Column("target", Text, nullable=False),
    Column("region", Text),
    Column("request_id", Text),
)
