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

-- Whoever waits for work hears of it at the commit that makes it.
CREATE OR REPLACE FUNCTION shifts_store.notify_files() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('shifts_files', '');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER trip_files_queued AFTER INSERT ON shifts_store.trip_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.notify_files();

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
    tiles_version        bigint NOT NULL DEFAULT 0,  -- rises whenever the pair's tiles are written or taken away
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
    aggregated boolean NOT NULL DEFAULT false,  -- are its trips in the pair's tiles?
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
        removals = w.removals + removed::integer;
    SELECT pg_notify('shifts_weeks', '')
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
-- holds: the tiles of those pairs go too, and every other file counts as not aggregated.
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
    DELETE FROM shifts_store.weekly_trip_tiles t
    USING unnest(region_ids, weeks) AS u (region_id, week)
    WHERE t.region_id = u.region_id AND t.week = u.week;
    UPDATE shifts_store.region_weeks w SET tiles_version = nextval('shifts_store.changes')
    FROM unnest(region_ids, weeks) AS u (region_id, week)
    WHERE w.region_id = u.region_id AND w.week = u.week;
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
-- file: 070_tiles.sql
-- Tiles: the trips of a (region, week) pair in an order in which neighbours are neighbours on the map, cut into
-- tiles and these into leaves, with their coordinates packed, so that any box is counted exactly from few bytes.
-- The pipeline writes them, the web service reads them; what both have to know stands here.
--
-- A tile's trips are in leaves of 998; only the last leaf of a pair may be shorter. All numbers are little-endian.
-- `leaves`, 72 bytes each, one behind the other:
--     low     4 float64   smallest origin lon, origin lat, destination lon, destination lat; degrees
--     high    4 float64   largest ones
--     trips   uint32
--     digits  4 uint8     of each coordinate: 5, 6 or 7, or 0
-- Of each coordinate a leaf has whole numbers in the order of the values, its keys: value × 10^digits where that
-- many decimals are the very value of every trip of the leaf, else the bits of the float64 as a signed number,
-- all but the sign inverted for negative values. `offset` is a key less the key of `low`, `shift` the number of
-- bits that the largest offset has beyond 15.
-- `codes`: offset >> shift as uint16; first of all trips' origin lon, then origin lat, destination lon and lat.
-- `rests`: the lowest `shift` bits of the offsets, in as many bytes as that takes (none, mostly), in the same order.

CREATE TABLE IF NOT EXISTS shifts_store.weekly_trip_tiles (
    region_id integer NOT NULL,
    week      date NOT NULL,
    tile      integer NOT NULL,             -- counts from 0
    trips     integer NOT NULL CHECK (trips > 0),
    leaves    bytea NOT NULL,
    codes     bytea NOT NULL,
    rests     bytea NOT NULL,
    PRIMARY KEY (region_id, week, tile)
);
-- Kept apart and as they are: a question reads pieces from their middle.
ALTER TABLE shifts_store.weekly_trip_tiles
    ALTER COLUMN leaves SET STORAGE EXTERNAL,
    ALTER COLUMN codes SET STORAGE EXTERNAL,
    ALTER COLUMN rests SET STORAGE EXTERNAL;
-- file: 080_statistics.sql
-- Trips a week in a box: what is counted, from tiles as far as they reach, and from the trips themselves beyond.

DROP FUNCTION IF EXISTS shifts_store.count_trips;

-- Whether a point lies in a closed box, in degrees; west > east means across the antimeridian.
CREATE OR REPLACE FUNCTION shifts_store.in_box(
    point geometry, west double precision, south double precision, east double precision, north double precision)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ST_Y(point) BETWEEN south AND north
       AND CASE WHEN west <= east THEN ST_X(point) BETWEEN west AND east
                ELSE ST_X(point) >= west OR ST_X(point) <= east END
$$;

-- A region by its name, no row for one that never had trips: its first and its last trip, a number that is another
-- one whenever any of its tiles changed, and whether there are trips that no tile has yet.
CREATE OR REPLACE FUNCTION shifts_store.find_region(wanted text)
RETURNS TABLE (region_id integer, first_at timestamp, last_at timestamp, tiles_state bigint, is_pending boolean)
LANGUAGE sql STABLE AS $$
    SELECT r.region_id,
           (SELECT min(f.first_at) FROM shifts_store.week_files f WHERE f.region_id = r.region_id
            AND f.week = (SELECT min(w.week) FROM shifts_store.week_files w WHERE w.region_id = r.region_id)),
           (SELECT max(f.last_at) FROM shifts_store.week_files f WHERE f.region_id = r.region_id
            AND f.week = (SELECT max(w.week) FROM shifts_store.week_files w WHERE w.region_id = r.region_id)),
           -- Each version only rises, so their sum does with every change, in whatever order changes are committed.
           (SELECT sum(w.tiles_version)::bigint FROM shifts_store.region_weeks w WHERE w.region_id = r.region_id),
           EXISTS (SELECT FROM shifts_store.week_files f WHERE f.region_id = r.region_id AND NOT f.aggregated)
    FROM shifts_store.regions r
    WHERE r.name = wanted AND EXISTS (SELECT FROM shifts_store.region_weeks w WHERE w.region_id = r.region_id)
$$;

-- Trips that no tile has yet, counted one by one. `match` says which ends must be in the box: both, origin,
-- destination or any.
CREATE OR REPLACE FUNCTION shifts_store.count_pending(
    region integer, west double precision, south double precision, east double precision, north double precision,
    match text, first_week date, last_week date)
RETURNS TABLE (week date, trips bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    files  bigint[];
    monday date;
    sunday date;
BEGIN
    SELECT array_agg(DISTINCT f.file_id ORDER BY f.file_id), min(f.week), max(f.week) + 6
    INTO files, monday, sunday
    FROM shifts_store.week_files f
    WHERE f.region_id = region AND f.week BETWEEN first_week AND last_week AND NOT f.aggregated;
    IF files IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT f.week, count(*)
        FROM shifts_store.trips t
        JOIN shifts_store.week_files f
            ON f.region_id = region AND f.week = shifts_store.week_of(t.started_at) AND f.file_id = t.file_id
            AND NOT f.aggregated
        WHERE t.region_id = region AND t.started_at >= monday AND t.started_at < sunday + 1
          AND t.file_id BETWEEN files[1] AND files[cardinality(files)] AND t.file_id = ANY (files)
          AND CASE match
              WHEN 'both' THEN shifts_store.in_box(t.origin, west, south, east, north)
                           AND shifts_store.in_box(t.destination, west, south, east, north)
              WHEN 'any' THEN shifts_store.in_box(t.origin, west, south, east, north)
                           OR shifts_store.in_box(t.destination, west, south, east, north)
              WHEN 'origin' THEN shifts_store.in_box(t.origin, west, south, east, north)
              WHEN 'destination' THEN shifts_store.in_box(t.destination, west, south, east, north)
              END
        GROUP BY f.week;
END
$$;

-- Pieces of the codes, or of the rests, of a pair's tiles, in the order of the arrays; starts count from 0.
CREATE OR REPLACE FUNCTION shifts_store.tile_codes(
    region integer, monday date, tiles integer[], starts integer[], sizes integer[])
RETURNS SETOF bytea
LANGUAGE sql STABLE AS $$
    SELECT (SELECT substring(t.codes FROM u.start + 1 FOR u.size) FROM shifts_store.weekly_trip_tiles t
            WHERE t.region_id = region AND t.week = monday AND t.tile = u.tile)
    FROM unnest(tiles, starts, sizes) AS u (tile, start, size)
$$;

CREATE OR REPLACE FUNCTION shifts_store.tile_rests(
    region integer, monday date, tiles integer[], starts integer[], sizes integer[])
RETURNS SETOF bytea
LANGUAGE sql STABLE AS $$
    SELECT (SELECT substring(t.rests FROM u.start + 1 FOR u.size) FROM shifts_store.weekly_trip_tiles t
            WHERE t.region_id = region AND t.week = monday AND t.tile = u.tile)
    FROM unnest(tiles, starts, sizes) AS u (tile, start, size)
$$;
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

-- A row for each trip in a group, with what is known of both. A condition on started_at spares all other weeks.
CREATE OR REPLACE VIEW shifts.grouped_trips AS
SELECT m.cluster_id, r.name AS region, c.week, c.typical_time AS time_of_day, c.trips, t.trip_id, t.started_at,
       t.origin, t.destination, s.name AS source
FROM shifts_store.trip_clusters c
JOIN shifts_store.trip_cluster_members m USING (week, cluster_id)
JOIN shifts_store.trips t USING (trip_id)
JOIN shifts_store.regions r ON r.region_id = c.region_id
JOIN shifts_store.sources s USING (source_id);

GRANT USAGE ON SCHEMA shifts TO shifts_reader, shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts TO shifts_reader, shifts_api;
GRANT USAGE ON SCHEMA shifts_store TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA shifts_store GRANT SELECT ON TABLES TO shifts_api;
-- file: 100_posting.sql
-- What the web service may write: posted trips and requests for files, through these functions and in no other
-- way. They run as the owner of the schema; the service's own role can neither insert, alter nor delete.

-- Keys by which clients repeat a request without doing it twice.
CREATE TABLE IF NOT EXISTS shifts_store.idempotency_keys (
    key         text PRIMARY KEY,
    fingerprint text NOT NULL,              -- of the request the key was first used for
    file_id     bigint REFERENCES shifts_store.trip_files,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- The file of the request that a key was used for; no row for a new key.
CREATE OR REPLACE FUNCTION shifts_store.find_request(wanted text, wanted_fingerprint text)
RETURNS SETOF shifts_store.trip_files
LANGUAGE plpgsql STABLE AS $$
DECLARE
    before shifts_store.idempotency_keys;
BEGIN
    SELECT * INTO before FROM shifts_store.idempotency_keys k WHERE k.key = wanted;
    IF before.fingerprint <> wanted_fingerprint THEN
        RAISE EXCEPTION 'used for another request' USING ERRCODE = 'SH422';
    END IF;
    RETURN QUERY SELECT f.* FROM shifts_store.trip_files f WHERE f.file_id = before.file_id;
END
$$;

-- Claims a key. Returns null if the request is to be carried out, else the file of the request that was; two
-- requests with one key at the same time take turns.
CREATE OR REPLACE FUNCTION shifts_store.claim_key(wanted text, wanted_fingerprint text) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF wanted IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO shifts_store.idempotency_keys (key, fingerprint) VALUES (wanted, wanted_fingerprint)
    ON CONFLICT (key) DO NOTHING;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT r.file_id FROM shifts_store.find_request(wanted, wanted_fingerprint) r);
END
$$;

-- Makes room for posted trips: their weeks and a block of ids, whose first number it returns. In a transaction
-- of its own, because its locks are everyone's.
CREATE OR REPLACE FUNCTION shifts_store.prepare_trips(weeks date[], size bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF size NOT BETWEEN 1 AND 1000000 OR EXISTS (
        SELECT FROM unnest(weeks) AS w WHERE w < date '1970-01-05' OR w > current_date + 400) THEN
        RAISE EXCEPTION 'no such block of trips';
    END IF;
    PERFORM shifts_store.ensure_week(w) FROM (SELECT DISTINCT unnest(weeks) AS w ORDER BY 1) AS missing;
    RETURN shifts_store.reserve_trip_numbers(size);
END
$$;

-- Takes in a posted list of trips, all or none, and books them as a load does. Returns the list's ledger row.
CREATE OR REPLACE FUNCTION shifts_store.post_trips(
    regions text[], sources text[], started_at timestamp[],
    origin_x double precision[], origin_y double precision[],
    destination_x double precision[], destination_y double precision[],
    first_number bigint, size_bytes bigint, idempotency_key text, fingerprint text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    list_id bigint := shifts_store.claim_key(idempotency_key, post_trips.fingerprint);
    task    text := replace(gen_random_uuid()::text, '-', '');
    name    text := format('posted/%s', task);
    booked  text;
BEGIN
    IF list_id IS NOT NULL THEN
        RETURN list_id;
    END IF;
    INSERT INTO shifts_store.trip_files
        (kind, uri, name, version, size_bytes, content_hash, status, rows_loaded, task_id,
         started_at, finished_at, announced_at)
    VALUES ('json', 'api:' || name, name, '1', post_trips.size_bytes, post_trips.fingerprint, 'loaded',
            cardinality(regions), task, clock_timestamp(), clock_timestamp(), clock_timestamp())
    RETURNING file_id INTO list_id;

    WITH given AS MATERIALIZED (
        SELECT r.region_id, s.source_id, u.started_at, shifts_store.week_of(u.started_at) AS week, u.number,
               ST_SetSRID(ST_MakePoint(u.ox, u.oy), 4326) AS origin,
               ST_SetSRID(ST_MakePoint(u.dx, u.dy), 4326) AS destination
        FROM unnest(post_trips.regions, post_trips.sources, post_trips.started_at, origin_x, origin_y,
                    destination_x, destination_y)
             WITH ORDINALITY AS u (region, source, started_at, ox, oy, dx, dy, number)
        JOIN shifts_store.region_ids(ARRAY(SELECT DISTINCT unnest(post_trips.regions))) AS r ON r.name = u.region
        JOIN shifts_store.source_ids(ARRAY(SELECT DISTINCT unnest(post_trips.sources))) AS s ON s.name = u.source
    ), stored AS (
        INSERT INTO shifts_store.trips
            (trip_id, started_at, region_id, source_id, file_id, origin, destination)
        SELECT shifts_store.first_id_of_week(g.week) + first_number + g.number - 1,
               g.started_at, g.region_id, g.source_id, list_id, g.origin, g.destination
        FROM given g
        ORDER BY g.week, g.number
    ), pairs AS (
        SELECT g.region_id, g.week, count(*) AS trips, min(g.started_at) AS first_at, max(g.started_at) AS last_at
        FROM given g GROUP BY g.region_id, g.week
    )
    SELECT shifts_store.book_file(list_id, array_agg(p.region_id), array_agg(p.week), array_agg(p.trips),
                                  array_agg(p.first_at), array_agg(p.last_at))
    FROM pairs p INTO booked;

    UPDATE shifts_store.idempotency_keys k SET file_id = list_id WHERE k.key = idempotency_key;
    RETURN list_id;
END
$$;

-- Queues a file of the landing zone durably; whoever runs the pipeline hears of it at the commit. Without a
-- version the request stands for whatever the file is when it is loaded. Returns its ledger row.
CREATE OR REPLACE FUNCTION shifts_store.request_file(
    uri text, name text, version text, size_bytes bigint, idempotency_key text, fingerprint text)
RETURNS shifts_store.trip_files
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before    bigint := shifts_store.claim_key(idempotency_key, request_file.fingerprint);
    requested shifts_store.trip_files;
BEGIN
    IF before IS NOT NULL THEN
        SELECT * INTO requested FROM shifts_store.trip_files f WHERE f.file_id = before;
        RETURN requested;
    END IF;
    INSERT INTO shifts_store.trip_files AS f (uri, name, version, size_bytes)
    VALUES (request_file.uri, request_file.name,
            coalesce(request_file.version, 'request-' || gen_random_uuid()), request_file.size_bytes)
    ON CONFLICT ON CONSTRAINT trip_files_uri_version_key DO UPDATE SET size_bytes = excluded.size_bytes
    RETURNING f.* INTO requested;
    UPDATE shifts_store.idempotency_keys k SET file_id = requested.file_id WHERE k.key = idempotency_key;
    RETURN requested;
END
$$;

REVOKE ALL ON FUNCTION shifts_store.claim_key, shifts_store.prepare_trips, shifts_store.post_trips,
    shifts_store.request_file FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_store.prepare_trips, shifts_store.post_trips, shifts_store.request_file
    TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
