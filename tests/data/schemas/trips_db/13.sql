-- file: trips_db/migrations/0001_unnumbered_databases.sql
-- Brings a database from before migrations were numbered to the tables that the next files describe. What those files
-- find, they leave; what a database does not have yet, they create. A new database has nothing to change here.
--
-- The forms that differ: region_weeks had no tiles_version; weekly_trip_tiles was missing, or had the bounds of
-- a tile as columns. Tiles are derived from the trips: they are dropped, and their weeks marked as stale.

DO $$
DECLARE
    weeks        regclass := to_regclass('shifts_store.region_weeks');
    tiles        regclass := to_regclass('shifts_store.weekly_trip_tiles');
    has_versions boolean := EXISTS (SELECT FROM pg_attribute WHERE attrelid = weeks AND attname = 'tiles_version');
    has_bounds   boolean := EXISTS (SELECT FROM pg_attribute WHERE attrelid = tiles AND attname = 'low_x0');
BEGIN
    IF weeks IS NULL OR (has_versions AND tiles IS NOT NULL AND NOT has_bounds) THEN
        RETURN;
    END IF;
    DROP VIEW IF EXISTS shifts_store.stale_weeks;
    DROP TABLE IF EXISTS shifts_store.weekly_trip_tiles;
    IF NOT has_versions THEN
        -- Columns behind the new one are added again, so that the order is that of a new database.
        ALTER TABLE shifts_store.region_weeks RENAME COLUMN clusters_change_id TO former_clusters_change_id;
        ALTER TABLE shifts_store.region_weeks RENAME COLUMN clusters_at TO former_clusters_at;
        ALTER TABLE shifts_store.region_weeks
            ADD COLUMN tiles_version bigint NOT NULL DEFAULT 0,
            ADD COLUMN clusters_change_id bigint NOT NULL DEFAULT 0,
            ADD COLUMN clusters_at timestamptz;
        UPDATE shifts_store.region_weeks
        SET clusters_change_id = former_clusters_change_id, clusters_at = former_clusters_at;
        ALTER TABLE shifts_store.region_weeks
            DROP COLUMN former_clusters_change_id,
            DROP COLUMN former_clusters_at;
    END IF;
    UPDATE shifts_store.week_files SET aggregated = false WHERE aggregated;
    UPDATE shifts_store.region_weeks
    SET aggregates_change_id = 0, aggregates_at = NULL,
        stale_since = CASE WHEN least(aggregates_change_id, clusters_change_id) = change_id
                           THEN clock_timestamp() ELSE stale_since END;
END
$$;
-- file: trips_db/migrations/0002_dimensions.sql
-- Schemas and the small dimensions. `shifts_store` holds tables and functions, `shifts` the stable views on them.

CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public;

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
-- file: trips_db/migrations/0003_ledger.sql
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
-- file: trips_db/migrations/0004_trips.sql
-- The trips, one partition an ISO week. Loaders attach partitions as weeks appear.
-- A trip's id carries its week in the bits from 40 up (weeks since Monday 1970-01-05), so that an id alone
-- leads to its partition; it stays below 2^53, exact as a JSON number.

CREATE TABLE IF NOT EXISTS shifts_store.trips (
    trip_id     bigint NOT NULL,
    started_at  timestamp NOT NULL,          -- local wall clock
    region_id   integer NOT NULL,
    source_id   integer NOT NULL,
    file_id     bigint NOT NULL,
    origin      public.geometry(Point, 4326) NOT NULL,
    destination public.geometry(Point, 4326) NOT NULL
) PARTITION BY RANGE (started_at);

-- Ids and files ascend with the physical order, so block ranges find them at next to no cost for the load.
CREATE INDEX IF NOT EXISTS trips_by_file
    ON shifts_store.trips USING brin (file_id, trip_id, region_id) WITH (pages_per_range = 32);

CREATE SEQUENCE IF NOT EXISTS shifts_store.trip_numbers MAXVALUE 1099511627775;
-- file: trips_db/migrations/0005_weeks.sql
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
-- file: trips_db/migrations/0006_clusters.sql
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
-- file: trips_db/migrations/0007_tiles.sql
-- Tiles of each (region, week) pair. `functions/tiles.sql` describes what their bytes mean.

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

-- Kept apart and as they are: a question reads pieces from their middle. A sharded table refuses the statement,
-- so it is run only where it changes something.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = 'shifts_store.weekly_trip_tiles'::regclass
                 AND attname IN ('leaves', 'codes', 'rests') AND attstorage <> 'e') THEN
        ALTER TABLE shifts_store.weekly_trip_tiles
            ALTER COLUMN leaves SET STORAGE EXTERNAL,
            ALTER COLUMN codes SET STORAGE EXTERNAL,
            ALTER COLUMN rests SET STORAGE EXTERNAL;
    END IF;
END
$$;
-- file: trips_db/migrations/0008_posting.sql
-- Keys by which clients repeat a request without doing it twice.
CREATE TABLE IF NOT EXISTS shifts_store.idempotency_keys (
    key         text PRIMARY KEY,
    fingerprint text NOT NULL,              -- of the request the key was first used for
    file_id     bigint REFERENCES shifts_store.trip_files,
    created_at  timestamptz NOT NULL DEFAULT now()
);
-- file: trips_db/migrations/0009_refresh_attempts.sql
-- Refreshes of a pair's layer that began and did not succeed; the pair pauses until `retry_at`.
CREATE TABLE shifts_store.refresh_attempts (
    region_id  integer NOT NULL,
    week       date NOT NULL,
    layer      text NOT NULL CHECK (layer IN ('aggregates', 'clusters')),
    attempts   integer NOT NULL,              -- since the last success
    run_id     text NOT NULL,
    started_at timestamptz NOT NULL,
    retry_at   timestamptz NOT NULL,
    error      text NOT NULL,
    PRIMARY KEY (region_id, week, layer)
);

-- The sensor looks for stale pairs every few seconds, however many pairs are fresh.
CREATE INDEX region_weeks_stale ON shifts_store.region_weeks (stale_since)
    WHERE aggregates_change_id <> change_id OR clusters_change_id <> change_id;
-- file: trips_db/migrations/0010_bounded_costs.sql
-- What monitoring and the cleanup read must not grow with the history.

-- Totals of the ledger by status as a sum of changes, so that writers add rows and never wait for each other.
CREATE TABLE shifts_store.ledger_changes (
    status        text NOT NULL,
    files         bigint NOT NULL,
    rows_loaded   bigint NOT NULL,
    rows_rejected bigint NOT NULL
);
-- From here to the triggers of this migration nobody else changes the ledger.
LOCK TABLE shifts_store.trip_files IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
SELECT f.status, count(*), sum(f.rows_loaded), sum(f.rows_rejected)
FROM shifts_store.trip_files f GROUP BY f.status;

CREATE INDEX idempotency_keys_by_time ON shifts_store.idempotency_keys (created_at);
-- file: trips_db/migrations/0011_region_span.sql
-- A region's first and last trip are found by one look into an index, however many files and posted lists it has.

CREATE INDEX week_files_first ON shifts_store.week_files (region_id, first_at);
CREATE INDEX week_files_last ON shifts_store.week_files (region_id, last_at);
-- file: trips_db/functions/dimensions.sql
-- Ids of names, creating those that are new; parallel calls agree on the ids. Names must be distinct.
CREATE OR REPLACE FUNCTION shifts_store.region_ids(names text[])
RETURNS TABLE (name text, region_id integer)
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
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
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    INSERT INTO shifts_store.sources AS s (name)
    SELECT n FROM unnest(names) AS n
    WHERE NOT EXISTS (SELECT FROM shifts_store.sources k WHERE k.name = n)
    ORDER BY n
    ON CONFLICT ON CONSTRAINT sources_name_key DO NOTHING;
    RETURN QUERY SELECT s.name, s.source_id FROM shifts_store.sources s WHERE s.name = ANY (names);
END
$$;
-- file: trips_db/functions/incarnation.sql
-- Which history the tables have. Versions and ids are unique within one, and repeat after a restore.

-- A text that changes when the tables are restored, on another server, in a copy of the database, and after a failover.
CREATE OR REPLACE FUNCTION shifts_store.incarnation() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', s.system_identifier, c.timeline_id, d.oid, t.oid, t.relfilenode)
    FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d, pg_class t
    WHERE d.datname = current_database() AND t.oid = 'shifts_store.region_weeks'::regclass
$$;
-- file: trips_db/functions/ledger.sql
-- Whoever waits for work hears of it at the commit that makes it.
CREATE OR REPLACE FUNCTION shifts_store.notify_files() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    PERFORM pg_notify('shifts_files', '');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER trip_files_queued AFTER INSERT ON shifts_store.trip_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.notify_files();

-- Gives the rows of a loaded file to a copy of it under another name: the two exchange everything that goes with the
-- name, while rows, counts and the other copies stay where they are. The loaded one's old version is superseded.
CREATE OR REPLACE FUNCTION shifts_store.hand_over(loaded bigint, copy bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    old shifts_store.trip_files;
    new shifts_store.trip_files;
BEGIN
    SELECT * INTO STRICT old FROM shifts_store.trip_files f WHERE f.file_id = loaded;
    SELECT * INTO STRICT new FROM shifts_store.trip_files f WHERE f.file_id = copy;
    -- Versions and task ids are unique at every moment.
    UPDATE shifts_store.trip_files f
    SET version = format('handed-over-%s', copy), task_id = format('handed-over-%s', copy)
    WHERE f.file_id = copy;
    UPDATE shifts_store.trip_files f
    SET (uri, name, version, task_id, batch, requested_at, attempts, run_id, queued_at, started_at, finished_at,
         announced_at)
      = (new.uri, new.name, new.version, new.task_id, new.batch, new.requested_at, new.attempts, new.run_id,
         new.queued_at, new.started_at, new.finished_at, new.announced_at)
    WHERE f.file_id = loaded;
    UPDATE shifts_store.trip_files f
    SET (uri, name, version, task_id, batch, requested_at, attempts, run_id, queued_at, started_at, finished_at,
         announced_at)
      = (old.uri, old.name, old.version, old.task_id, old.batch, old.requested_at, old.attempts, old.run_id,
         old.queued_at, old.started_at, old.finished_at, coalesce(old.announced_at, clock_timestamp())),
        status = 'superseded', duplicate_of = NULL
    WHERE f.file_id = copy;
    UPDATE shifts_store.idempotency_keys k SET file_id = CASE k.file_id WHEN loaded THEN copy ELSE loaded END
    WHERE k.file_id IN (loaded, copy);
END
$$;
-- file: trips_db/functions/ledger_totals.sql
-- Totals of the ledger, kept up by its triggers: reading them costs the same however long the ledger is.

CREATE OR REPLACE FUNCTION shifts_store.count_files() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
        SELECT n.status, count(*), sum(n.rows_loaded), sum(n.rows_rejected) FROM new_files n GROUP BY n.status;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
        SELECT o.status, -count(*), -sum(o.rows_loaded), -sum(o.rows_rejected) FROM old_files o GROUP BY o.status;
    ELSE
        INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
        SELECT c.status, sum(c.files), sum(c.rows_loaded), sum(c.rows_rejected)
        FROM (SELECT n.status, 1 AS files, n.rows_loaded, n.rows_rejected FROM new_files n
              UNION ALL
              SELECT o.status, -1, -o.rows_loaded, -o.rows_rejected FROM old_files o) AS c
        GROUP BY c.status
        HAVING sum(c.files) <> 0 OR sum(c.rows_loaded) <> 0 OR sum(c.rows_rejected) <> 0;
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER trip_files_inserted AFTER INSERT ON shifts_store.trip_files
    REFERENCING NEW TABLE AS new_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.count_files();
CREATE OR REPLACE TRIGGER trip_files_updated AFTER UPDATE ON shifts_store.trip_files
    REFERENCING OLD TABLE AS old_files NEW TABLE AS new_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.count_files();
CREATE OR REPLACE TRIGGER trip_files_deleted AFTER DELETE ON shifts_store.trip_files
    REFERENCING OLD TABLE AS old_files
    FOR EACH STATEMENT EXECUTE FUNCTION shifts_store.count_files();

-- Files and rows by status. Whoever reads also replaces many changes by their sums, one reader at a time; a change
-- that is not committed is left alone. Needs READ COMMITTED.
CREATE OR REPLACE FUNCTION shifts_store.ledger_totals()
RETURNS TABLE (status text, files bigint, rows_loaded bigint, rows_rejected bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM shifts_store.ledger_changes LIMIT 1000) AS many) = 1000
       AND pg_try_advisory_xact_lock(hashtext('shifts_store.ledger_totals')) THEN
        WITH merged AS (DELETE FROM shifts_store.ledger_changes c RETURNING c.*)
        INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
        SELECT m.status, sum(m.files), sum(m.rows_loaded), sum(m.rows_rejected) FROM merged m GROUP BY m.status;
    END IF;
    RETURN QUERY
        SELECT c.status, sum(c.files)::bigint, sum(c.rows_loaded)::bigint, sum(c.rows_rejected)::bigint
        FROM shifts_store.ledger_changes c GROUP BY c.status HAVING sum(c.files) > 0;
END
$$;
-- file: trips_db/functions/posting.sql
-- What the web service may write: posted trips and requests for files, through these functions and in no other
-- way. They run as the owner of the schema; the service's own role can neither insert, alter nor delete.

-- The file of the request that a key was used for; no row for a new key.
CREATE OR REPLACE FUNCTION shifts_store.find_request(wanted text, wanted_fingerprint text)
RETURNS SETOF shifts_store.trip_files
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
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
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
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

-- Makes the weeks of posted trips that are missing. In a transaction of its own and a few at a time, because its
-- locks are everyone's, and each week takes longer the more there are (60 ms with 1,400).
CREATE OR REPLACE FUNCTION shifts_store.prepare_weeks(weeks date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(weeks) AS w WHERE w < date '1970-01-05' OR w > current_date + 400) THEN
        RAISE EXCEPTION 'no such week of trips';
    END IF;
    PERFORM shifts_store.ensure_week(w) FROM (SELECT DISTINCT unnest(weeks) AS w ORDER BY 1) AS missing;
END
$$;

-- The same, and a block of ids for posted trips, whose first number it returns.
CREATE OR REPLACE FUNCTION shifts_store.prepare_trips(weeks date[], size bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    IF size NOT BETWEEN 1 AND 1000000 THEN
        RAISE EXCEPTION 'no such block of trips';
    END IF;
    PERFORM shifts_store.prepare_weeks(weeks);
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
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
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
               public.ST_SetSRID(public.ST_MakePoint(u.ox, u.oy), 4326) AS origin,
               public.ST_SetSRID(public.ST_MakePoint(u.dx, u.dy), 4326) AS destination
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
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
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
-- file: trips_db/functions/statistics.sql
-- Trips a week in a box: what is counted, from tiles as far as they reach, and from the trips themselves beyond.

-- Whether a point lies in a closed box, in degrees; west > east means across the antimeridian.
CREATE OR REPLACE FUNCTION shifts_store.in_box(
    point public.geometry, west double precision, south double precision, east double precision, north double precision)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT public.ST_Y(point) BETWEEN south AND north
       AND CASE WHEN west <= east THEN public.ST_X(point) BETWEEN west AND east
                ELSE public.ST_X(point) >= west OR public.ST_X(point) <= east END
$$;

-- A region by its name, no row for one that never had trips: its first and its last trip, a number that is another
-- one whenever any of its tiles changed, and whether there are trips that no tile has yet.
CREATE OR REPLACE FUNCTION shifts_store.find_region(wanted text)
RETURNS TABLE (region_id integer, first_at timestamp, last_at timestamp, tiles_state bigint, is_pending boolean)
LANGUAGE sql STABLE AS $$
    SELECT r.region_id,
           (SELECT min(f.first_at) FROM shifts_store.week_files f WHERE f.region_id = r.region_id),
           (SELECT max(f.last_at) FROM shifts_store.week_files f WHERE f.region_id = r.region_id),
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
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
-- A plan for any `match` would look at it for every trip, and not know how many there are.
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    first_file bigint;
    last_file  bigint;
    monday     date;
    sunday     date;
BEGIN
    SELECT min(f.file_id), max(f.file_id), min(f.week), max(f.week) + 6
    INTO first_file, last_file, monday, sunday
    FROM shifts_store.week_files f
    WHERE f.region_id = region AND f.week BETWEEN first_week AND last_week AND NOT f.aggregated;
    IF first_file IS NULL THEN
        RETURN;
    END IF;
    -- Counted by file and partition first, which parallel workers do; then each file's week is looked up once. A
    -- partition holds one week.
    RETURN QUERY
    SELECT c.week, sum(c.trips)::bigint
    FROM (
        SELECT t.file_id, shifts_store.week_of(min(t.started_at)) AS week, count(*) AS trips
        FROM shifts_store.trips t
        WHERE t.region_id = region AND t.started_at >= monday AND t.started_at < sunday + 1
          AND t.file_id BETWEEN first_file AND last_file
          AND CASE match
              WHEN 'both' THEN shifts_store.in_box(t.origin, west, south, east, north)
                           AND shifts_store.in_box(t.destination, west, south, east, north)
              WHEN 'any' THEN shifts_store.in_box(t.origin, west, south, east, north)
                           OR shifts_store.in_box(t.destination, west, south, east, north)
              WHEN 'origin' THEN shifts_store.in_box(t.origin, west, south, east, north)
              WHEN 'destination' THEN shifts_store.in_box(t.destination, west, south, east, north)
              END
        GROUP BY t.file_id, t.tableoid
    ) AS c
    -- No join: a plan from stale statistics would compare every file with every other.
    WHERE (SELECT NOT f.aggregated FROM shifts_store.week_files f
           WHERE f.region_id = region AND f.week = c.week AND f.file_id = c.file_id)
    GROUP BY c.week;
END
$$;
-- file: trips_db/functions/tiles.sql
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

-- Pieces of the codes, or of the rests, of a region's tiles, in the order of the arrays; starts count from 0.
CREATE OR REPLACE FUNCTION shifts_store.tile_codes(
    region integer, weeks date[], tiles integer[], starts integer[], sizes integer[])
RETURNS SETOF bytea
LANGUAGE sql STABLE AS $$
    SELECT (SELECT substring(t.codes FROM u.start + 1 FOR u.size) FROM shifts_store.weekly_trip_tiles t
            WHERE t.region_id = region AND t.week = u.week AND t.tile = u.tile)
    FROM unnest(weeks, tiles, starts, sizes) AS u (week, tile, start, size)
$$;

CREATE OR REPLACE FUNCTION shifts_store.tile_rests(
    region integer, weeks date[], tiles integer[], starts integer[], sizes integer[])
RETURNS SETOF bytea
LANGUAGE sql STABLE AS $$
    SELECT (SELECT substring(t.rests FROM u.start + 1 FOR u.size) FROM shifts_store.weekly_trip_tiles t
            WHERE t.region_id = region AND t.week = u.week AND t.tile = u.tile)
    FROM unnest(weeks, tiles, starts, sizes) AS u (week, tile, start, size)
$$;
-- file: trips_db/functions/trips.sql
CREATE OR REPLACE FUNCTION shifts_store.week_of(moment timestamp) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date_trunc('week', moment)::date $$;

CREATE OR REPLACE FUNCTION shifts_store.week_of_id(id bigint) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date '1970-01-05' + 7 * (id >> 40)::integer $$;

CREATE OR REPLACE FUNCTION shifts_store.first_id_of_week(week date) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ((week - date '1970-01-05') / 7)::bigint << 40 $$;

-- Takes a block of `size` consecutive trip numbers and returns the first; blocks never overlap.
CREATE OR REPLACE FUNCTION shifts_store.reserve_trip_numbers(size bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
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
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
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
    -- By a query: to_regclass would remember that it was missing before the lock.
    IF EXISTS (SELECT FROM pg_class c
               WHERE c.relname = partition_name AND c.relnamespace = 'shifts_store'::regnamespace) THEN
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
-- file: trips_db/functions/weeks.sql
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

-- Deletes a file's trips and rejects. However long that takes, no pair is locked: it comes before `replace_files`.
CREATE OR REPLACE FUNCTION shifts_store.delete_rows(gone bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    one_week date;
BEGIN
    DELETE FROM shifts_store.rejected_rows r WHERE r.file_id = gone;
    FOR one_week IN SELECT DISTINCT f.week FROM shifts_store.week_files f WHERE f.file_id = gone ORDER BY f.week LOOP
        DELETE FROM shifts_store.trips t
        WHERE t.started_at >= one_week AND t.started_at < one_week + 7 AND t.file_id = gone;
    END LOOP;
END
$$;

-- Removes a file, whose rows are deleted, from the books. What was computed with them no longer holds: the tiles
-- of those pairs go too, and every other file counts as not aggregated.
CREATE OR REPLACE FUNCTION shifts_store.unbook_file(gone bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    region_ids integer[];
    weeks      date[];
    version    bigint;
BEGIN
    SELECT array_agg(f.region_id ORDER BY f.region_id, f.week), array_agg(f.week ORDER BY f.region_id, f.week)
    INTO region_ids, weeks
    FROM shifts_store.week_files f WHERE f.file_id = gone;
    IF region_ids IS NULL THEN
        RETURN;
    END IF;
    PERFORM shifts_store.touch_weeks(region_ids, weeks, true);
    -- Drawn when the pairs are locked, so that it is higher than any before.
    version := nextval('shifts_store.changes');
    DELETE FROM shifts_store.week_files f WHERE f.file_id = gone;
    DELETE FROM shifts_store.weekly_trip_tiles t
    USING unnest(region_ids, weeks) AS u (region_id, week)
    WHERE t.region_id = u.region_id AND t.week = u.week;
    UPDATE shifts_store.region_weeks w SET tiles_version = version
    FROM unnest(region_ids, weeks) AS u (region_id, week)
    WHERE w.region_id = u.region_id AND w.week = u.week;
    UPDATE shifts_store.week_files f SET aggregated = false
    FROM unnest(region_ids, weeks) AS u (region_id, week)
    WHERE f.region_id = u.region_id AND f.week = u.week AND f.aggregated;
END
$$;

-- Books a file in the place of others, whose rows are deleted. It locks the pairs, so it is the last statement before
-- the commit: posts to the same pairs wait no longer than it takes. All pairs are locked in one order first, or two
-- loads that exchange their weeks would wait for each other.
CREATE OR REPLACE FUNCTION shifts_store.replace_files(
    gone bigint[], file_id bigint, region_ids integer[], weeks date[], trips bigint[],
    first_at timestamp[], last_at timestamp[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    all_regions integer[];
    all_weeks   date[];
    old         bigint;
BEGIN
    IF cardinality(gone) > 0 THEN
        SELECT array_agg(p.region_id), array_agg(p.week) INTO all_regions, all_weeks
        FROM (SELECT f.region_id, f.week FROM shifts_store.week_files f WHERE f.file_id = ANY (gone)
              UNION SELECT u.region_id, u.week
              FROM unnest(replace_files.region_ids, replace_files.weeks) AS u (region_id, week)) AS p;
        PERFORM shifts_store.touch_weeks(all_regions, all_weeks, false);
    END IF;
    FOREACH old IN ARRAY gone LOOP
        PERFORM shifts_store.unbook_file(old);
    END LOOP;
    IF cardinality(region_ids) > 0 THEN
        PERFORM shifts_store.book_file(replace_files.file_id, replace_files.region_ids, replace_files.weeks,
                                       replace_files.trips, replace_files.first_at, replace_files.last_at);
    END IF;
END
$$;
-- file: trips_db/views/shifts.sql
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
-- file: trips_db/views/stale_weeks.sql
-- The work that is open: pairs whose trips changed after a layer was computed.
CREATE OR REPLACE VIEW shifts_store.stale_weeks AS
SELECT r.name AS region, w.region_id, w.week, w.stale_since,
       w.aggregates_change_id <> w.change_id AS aggregates_stale,
       w.clusters_change_id <> w.change_id AS clusters_stale
FROM shifts_store.region_weeks w JOIN shifts_store.regions r USING (region_id)
WHERE w.aggregates_change_id <> w.change_id OR w.clusters_change_id <> w.change_id;
-- file: trips_db/grants/connections.sql
-- Settings of this database's sessions; they are not part of a dump either. A server that notices within half a minute that
-- a client's machine is gone releases its locks: of Dagster's own connections, too, which set nothing themselves.

DO $$
DECLARE
    setting text;
BEGIN
    FOREACH setting IN ARRAY ARRAY[
        'tcp_keepalives_idle = 10',
        'tcp_keepalives_interval = 5',
        'tcp_keepalives_count = 3',
        'tcp_user_timeout = 20000',
        'client_connection_check_interval = 10000'
    ] LOOP
        EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
    END LOOP;
EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
    -- Only the database's owner may, and not every system knows all of them: the pipeline's connections set their own.
    RAISE WARNING 'the sessions of database % get no keepalives: %', current_database(), SQLERRM;
END
$$;
-- file: trips_db/grants/roles.sql
-- Roles and what they may do. Roles belong to the server and are not part of a dump, so this runs at every migration.
--   shifts_reader  reads the views of schema shifts (QGIS, Metabase, a prompt)
--   shifts_api     the web service: reads everything, changes data through functions only
-- Neither can log in: login users are granted one of them. The pipeline runs as the owner of the schema.
-- Another platform on the same server may be creating the same role at this moment.

DO $$
DECLARE
    wanted     text;
    -- From 16 on a membership may be one that allows neither SET ROLE nor inheriting: its creator's, for example.
    membership text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['shifts_reader', 'shifts_api'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, membership) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION '% may not create or grant role %: let a superuser run CREATE ROLE % NOLOGIN (unless it exists)'
        ' and GRANT % TO %', current_user, wanted, wanted, wanted, quote_ident(current_user)
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Everyone may create there up to PostgreSQL 14, and so put functions into the way of others.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA shifts TO shifts_reader, shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts TO shifts_reader, shifts_api;
GRANT USAGE ON SCHEMA shifts_store TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA shifts_store GRANT SELECT ON TABLES TO shifts_api;

REVOKE ALL ON FUNCTION shifts_store.claim_key, shifts_store.prepare_weeks, shifts_store.prepare_trips,
    shifts_store.post_trips, shifts_store.request_file, shifts_store.ledger_totals FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_store.prepare_weeks, shifts_store.prepare_trips, shifts_store.post_trips,
    shifts_store.request_file, shifts_store.ledger_totals TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
