-- file: 010_roles.sql
-- Roles: what a connection may do. Login users are granted one of these; none of them can log in itself.
--   shifts_reader  reads the views of schema shifts (QGIS, Metabase, a prompt)
--   shifts_api     what the web service runs as: reads everything, changes nothing but through functions
-- The pipeline runs as the owner of the schema.
-- Roles belong to the whole server, so a second platform on it may be creating the same one at this moment.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['shifts_reader', 'shifts_api'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
END
$$;
-- file: 020_dimensions.sql
-- Schemas and the small dimensions. `shifts_store` holds tables and functions, `shifts` the stable views on them.

CREATE EXTENSION IF NOT EXISTS postgis;

CREATE SCHEMA IF NOT EXISTS shifts_store;
CREATE SCHEMA IF NOT EXISTS shifts;

CREATE TABLE IF NOT EXISTS shifts_store.regions (
    region_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS shifts_store.sources (
    source_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL UNIQUE
);

-- Ids of names, creating those that are new; parallel calls agree on the ids. Names must be distinct.
CREATE OR REPLACE FUNCTION shifts_store.region_ids(names text[])
RETURNS TABLE (name text, region_id integer)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shifts_store.regions AS r (name)
    SELECT n FROM unnest(names) AS n
    WHERE NOT EXISTS (SELECT FROM shifts_store.regions k WHERE k.name = n)
    ORDER BY n
    ON CONFLICT ON CONSTRAINT regions_name_key DO NOTHING;
    RETURN QUERY SELECT r.name, r.region_id FROM shifts_store.regions r WHERE r.name = ANY (names);
END
$$;

CREATE OR REPLACE FUNCTION shifts_store.source_ids(names text[])
RETURNS TABLE (name text, source_id integer)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shifts_store.sources AS s (name)
    SELECT n FROM unnest(names) AS n
    WHERE NOT EXISTS (SELECT FROM shifts_store.sources k WHERE k.name = n)
    ORDER BY n
    ON CONFLICT ON CONSTRAINT sources_name_key DO NOTHING;
    RETURN QUERY SELECT s.name, s.source_id FROM shifts_store.sources s WHERE s.name = ANY (names);
END
$$;
-- file: 030_ledger.sql
-- The ledger: one row a file version (or a posted list of trips), the truth about what was taken in.

CREATE TABLE IF NOT EXISTS shifts_store.trip_files (
    file_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL DEFAULT 'file' CHECK (kind IN ('file', 'json')),
    uri           text NOT NULL,
    name          text NOT NULL,             -- path below the landing zone; the partition key of raw_trips
    version       text NOT NULL,             -- the landing zone's word for "these bytes": mtime and size, or generation
    size_bytes    bigint,
    content_hash  text,                      -- sha256 of the file's bytes, hexadecimal
    status        text NOT NULL DEFAULT 'queued'
                  CHECK (status IN ('queued', 'loading', 'loaded', 'failed', 'duplicate', 'superseded')),
    duplicate_of  bigint REFERENCES shifts_store.trip_files,
    rows_loaded   bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    task_id       text NOT NULL UNIQUE DEFAULT replace(gen_random_uuid()::text, '-', ''),
    batch         text,                      -- the run request this row was last given to
    requested_at  timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    run_id        text,
    queued_at     timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    announced_at  timestamptz,               -- when its file.loaded or file.failed went to the feed
    error         text,
    UNIQUE (uri, version)
);

-- One set of bytes is loaded once, whatever its names and however many runs try at the same time.
CREATE UNIQUE INDEX IF NOT EXISTS trip_files_loaded_once
    ON shifts_store.trip_files (content_hash) WHERE status = 'loaded' AND kind = 'file';
CREATE UNIQUE INDEX IF NOT EXISTS trip_files_one_loaded_version
    ON shifts_store.trip_files (uri) WHERE status = 'loaded' AND kind = 'file';
CREATE INDEX IF NOT EXISTS trip_files_unfinished
    ON shifts_store.trip_files (file_id) WHERE status IN ('queued', 'loading') OR announced_at IS NULL;
CREATE INDEX IF NOT EXISTS trip_files_by_name ON shifts_store.trip_files (name, file_id);

CREATE TABLE IF NOT EXISTS shifts_store.rejected_rows (
    file_id bigint NOT NULL REFERENCES shifts_store.trip_files,
    line    bigint NOT NULL,                 -- line of the file on which the row begins, the header is 1
    reason  text NOT NULL,
    raw     text NOT NULL,
    PRIMARY KEY (file_id, line)
);
-- file: 040_trips.sql
-- The trips, one partition an ISO week. Loaders attach partitions as weeks appear.
-- A trip's id carries its week in the bits from 40 up (weeks since Monday 1970-01-05), so that an id alone
-- leads to its partition; it stays below 2^53, exact as a JSON number.

CREATE TABLE IF NOT EXISTS shifts_store.trips (
    trip_id     bigint NOT NULL,
    started_at  timestamp NOT NULL,          -- local wall clock
    region_id   integer NOT NULL,
    source_id   integer NOT NULL,
    file_id     bigint NOT NULL,
    origin      geometry(Point, 4326) NOT NULL,
    destination geometry(Point, 4326) NOT NULL
) PARTITION BY RANGE (started_at);

-- Ids and files ascend with the physical order, so block ranges find them at next to no cost for the load.
CREATE INDEX IF NOT EXISTS trips_by_file
    ON shifts_store.trips USING brin (file_id, trip_id, region_id) WITH (pages_per_range = 32);

CREATE SEQUENCE IF NOT EXISTS shifts_store.trip_numbers MAXVALUE 1099511627775;

CREATE OR REPLACE FUNCTION shifts_store.week_of(moment timestamp) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date_trunc('week', moment)::date $$;

CREATE OR REPLACE FUNCTION shifts_store.week_of_id(id bigint) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date '1970-01-05' + 7 * (id >> 40)::integer $$;

CREATE OR REPLACE FUNCTION shifts_store.first_id_of_week(week date) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ((week - date '1970-01-05') / 7)::bigint << 40 $$;

-- Takes a block of `size` consecutive trip numbers and returns the first; blocks never overlap.
CREATE OR REPLACE FUNCTION shifts_store.reserve_trip_numbers(size bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    last_number bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('shifts_store.trip_numbers'));
    SELECT setval('shifts_store.trip_numbers', nextval('shifts_store.trip_numbers') + size - 1) INTO last_number;
    RETURN last_number - size + 1;
END
$$;

-- Creates the partition of a week if it is missing. ATTACH with a matching CHECK neither scans nor blocks
-- readers and writers of other weeks (CREATE TABLE ... PARTITION OF would). Call it outside the load's
-- own transaction, so that its lock is gone at once.
CREATE OR REPLACE FUNCTION shifts_store.ensure_week(week date) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    partition_name text := format('trips_%s', to_char(week, 'IYYY"w"IW'));
BEGIN
    IF extract(isodow FROM week) <> 1 THEN
        RAISE EXCEPTION 'a week is named by its Monday, % is none', week;
    END IF;
    IF to_regclass('shifts_store.' || partition_name) IS NOT NULL THEN
        RETURN partition_name;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('shifts_store.ensure_week'));
    IF to_regclass('shifts_store.' || partition_name) IS NOT NULL THEN
        RETURN partition_name;
    END IF;
    EXECUTE format('CREATE TABLE shifts_store.%I (LIKE shifts_store.trips INCLUDING DEFAULTS INCLUDING STORAGE,'
        ' CONSTRAINT in_week CHECK (started_at >= %L AND started_at < %L))',
        partition_name, week::timestamp, (week + 7)::timestamp);
    EXECUTE format('ALTER TABLE shifts_store.trips ATTACH PARTITION shifts_store.%I FOR VALUES FROM (%L) TO (%L)',
        partition_name, week::timestamp, (week + 7)::timestamp);
    EXECUTE format('ALTER TABLE shifts_store.%I DROP CONSTRAINT in_week', partition_name);
    RETURN partition_name;
END
$$;
-- file: 050_weeks.sql
-- What each (region, week) pair holds and what was computed from it. Loads write here in their own
-- transaction, so a pair is stale from the very commit that changed it.

CREATE SEQUENCE IF NOT EXISTS shifts_store.changes;

CREATE TABLE IF NOT EXISTS shifts_store.region_weeks (
    region_id            integer NOT NULL REFERENCES shifts_store.regions,
    week                 date NOT NULL CHECK (extract(isodow FROM week) = 1),
    change_id            bigint NOT NULL,       -- of the last change to the pair's trips
    changed_at           timestamptz NOT NULL,
    stale_since          timestamptz NOT NULL,  -- of the oldest change some layer has not seen
    removals             bigint NOT NULL DEFAULT 0,  -- how often trips were taken away
    aggregates_change_id bigint NOT NULL DEFAULT 0,  -- the change the aggregates were computed at
    aggregates_at        timestamptz,
    clusters_change_id   bigint NOT NULL DEFAULT 0,
    clusters_at          timestamptz,
    PRIMARY KEY (region_id, week)
);

CREATE TABLE IF NOT EXISTS shifts_store.week_files (
    region_id  integer NOT NULL,
    week       date NOT NULL,
    file_id    bigint NOT NULL REFERENCES shifts_store.trip_files,
    trips      bigint NOT NULL CHECK (trips > 0),
    first_at   timestamp NOT NULL,
    last_at    timestamp NOT NULL,
    aggregated boolean NOT NULL DEFAULT false,  -- are its trips in the pair's aggregates?
    PRIMARY KEY (region_id, week, file_id)
);
CREATE INDEX IF NOT EXISTS week_files_by_file ON shifts_store.week_files (file_id);
CREATE INDEX IF NOT EXISTS week_files_pending ON shifts_store.week_files (region_id, week) WHERE NOT aggregated;

-- Notes that pairs changed. Pairs are locked in one order, so that parallel loads cannot deadlock.
CREATE OR REPLACE FUNCTION shifts_store.touch_weeks(region_ids integer[], weeks date[], removed boolean)
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO shifts_store.region_weeks AS w (region_id, week, change_id, changed_at, stale_since, removals)
    SELECT region_id, week, nextval('shifts_store.changes'), clock_timestamp(), clock_timestamp(), removed::integer
    FROM (SELECT DISTINCT region_id, week FROM unnest(region_ids, weeks) AS u (region_id, week)
          ORDER BY region_id, week) AS pairs
    ON CONFLICT (region_id, week) DO UPDATE
    SET change_id = nextval('shifts_store.changes'),
        changed_at = excluded.changed_at,
        stale_since = CASE WHEN least(w.aggregates_change_id, w.clusters_change_id) = w.change_id
                           THEN excluded.changed_at ELSE w.stale_since END,
        removals = w.removals + removed::integer
$$;

-- Books a file's trips under their pairs: the last thing a load does before its commit.
CREATE OR REPLACE FUNCTION shifts_store.book_file(
    file_id bigint, region_ids integer[], weeks date[], trips bigint[], first_at timestamp[], last_at timestamp[])
RETURNS void
LANGUAGE sql AS $$
    INSERT INTO shifts_store.week_files (region_id, week, file_id, trips, first_at, last_at)
    SELECT region_id, week, book_file.file_id, u.trips, u.first_at, u.last_at
    FROM unnest(region_ids, weeks, trips, first_at, last_at) AS u (region_id, week, trips, first_at, last_at);
    SELECT shifts_store.touch_weeks(region_ids, weeks, false)
$$;

-- Takes a file's trips and rejects away again (it is being replaced). What was computed with them no longer
-- holds, so every other file of those pairs counts as not aggregated.
CREATE OR REPLACE FUNCTION shifts_store.unbook_file(gone bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    region_ids integer[];
    weeks      date[];
    one_week   date;
BEGIN
    SELECT array_agg(f.region_id ORDER BY f.region_id, f.week), array_agg(f.week ORDER BY f.region_id, f.week)
    INTO region_ids, weeks
    FROM shifts_store.week_files f WHERE f.file_id = gone;
    DELETE FROM shifts_store.rejected_rows r WHERE r.file_id = gone;
    IF region_ids IS NULL THEN
        RETURN;
    END IF;
    PERFORM shifts_store.touch_weeks(region_ids, weeks, true);
    FOR one_week IN SELECT DISTINCT w FROM unnest(weeks) AS w ORDER BY w LOOP
        DELETE FROM shifts_store.trips t
        WHERE t.started_at >= one_week AND t.started_at < one_week + 7 AND t.file_id = gone;
    END LOOP;
    DELETE FROM shifts_store.week_files f WHERE f.file_id = gone;
    UPDATE shifts_store.week_files f SET aggregated = false
    FROM unnest(region_ids, weeks) AS u (region_id, week)
    WHERE f.region_id = u.region_id AND f.week = u.week AND f.aggregated;
END
$$;

-- The work that is open: pairs whose trips changed after a layer was computed.
CREATE OR REPLACE VIEW shifts_store.stale_weeks AS
SELECT r.name AS region, w.region_id, w.week, w.stale_since,
       w.aggregates_change_id <> w.change_id AS aggregates_stale,
       w.clusters_change_id <> w.change_id AS clusters_stale
FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)
WHERE w.aggregates_change_id <> w.change_id OR w.clusters_change_id <> w.change_id;
-- file: 060_clusters.sql
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
    origin        geometry(Point, 4326) NOT NULL,
    destination   geometry(Point, 4326) NOT NULL,
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
-- file: 090_views.sql
-- The stable views for people with a SQL prompt, a map or a dashboard.

CREATE OR REPLACE VIEW shifts.trips AS
SELECT t.trip_id, r.name AS region, t.origin, t.destination, t.started_at, s.name AS source, t.file_id
FROM shifts_store.trips t
JOIN shifts_store.regions r USING (region_id)
JOIN shifts_store.sources s USING (source_id);

CREATE OR REPLACE VIEW shifts.clusters AS
SELECT c.cluster_id, r.name AS region, c.week, c.typical_time AS time_of_day, c.trips, c.radius_m,
       c.origin, c.destination
FROM shifts_store.trip_clusters c JOIN shifts_store.regions r USING (region_id);

CREATE OR REPLACE VIEW shifts.cluster_members AS
SELECT m.cluster_id, m.trip_id FROM shifts_store.trip_cluster_members m;

-- Always as fresh as the trips: loads book their weeks in the transaction that brings the rows.
CREATE OR REPLACE VIEW shifts.weekly AS
SELECT r.name AS region, f.week, sum(f.trips)::bigint AS trips
FROM shifts_store.week_files f JOIN shifts_store.regions r USING (region_id)
GROUP BY r.name, f.week;

CREATE OR REPLACE VIEW shifts.files AS
SELECT file_id, name, uri, status, rows_loaded, rows_rejected, task_id, run_id, queued_at, finished_at, error
FROM shifts_store.trip_files;

CREATE OR REPLACE VIEW shifts.rejects AS
SELECT file_id, line, reason, raw FROM shifts_store.rejected_rows;

GRANT USAGE ON SCHEMA shifts TO shifts_reader, shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts TO shifts_reader, shifts_api;
GRANT USAGE ON SCHEMA shifts_store TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA shifts_store GRANT SELECT ON TABLES TO shifts_api;
