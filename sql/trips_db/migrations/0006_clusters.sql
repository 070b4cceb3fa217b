-- Groups of similar trips, and which trips are in each. A (region, week) is replaced whole.
-- A group's id carries its week in the bits from 40 up, like a trip's.

CREATE TABLE IF NOT EXISTS shifts_store.trip_clusters (
    cluster_id    bigint NOT NULL,
    region_id     integer NOT NULL,
    week          date NOT NULL,
    time_bin      smallint NOT NULL,         -- of the typical time; bins count from midnight
    trips         integer NOT NULL CHECK (trips > 0),
    radius_m      double precision NOT NULL, -- farthest member from its centroid, at either end
    typical_time  time NOT NULL,             -- median time of day
    earliest_time time NOT NULL,             -- in the group's own window, which may cross midnight
    latest_time   time NOT NULL,
    share_of_bin  double precision NOT NULL,
    origin        public.geometry(Point, 4326) NOT NULL,
    destination   public.geometry(Point, 4326) NOT NULL,
    PRIMARY KEY (week, cluster_id)
);
CREATE INDEX IF NOT EXISTS trip_clusters_by_size
    ON shifts_store.trip_clusters (region_id, week, trips DESC, cluster_id);

CREATE TABLE IF NOT EXISTS shifts_store.trip_cluster_members (
    week       date NOT NULL,
    region_id  integer NOT NULL,
    cluster_id bigint NOT NULL,
    trip_id    bigint NOT NULL,
    PRIMARY KEY (week, trip_id)
);
CREATE INDEX IF NOT EXISTS trip_cluster_members_by_cluster
    ON shifts_store.trip_cluster_members (week, cluster_id, trip_id);
