CREATE OR REPLACE FUNCTION shifts_store.week_of(moment timestamp) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date_trunc('week', moment)::date $$;

CREATE OR REPLACE FUNCTION shifts_store.week_of_id(id bigint) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT date '1970-01-05' + 7 * (id >> 40)::integer $$;

CREATE OR REPLACE FUNCTION shifts_store.first_id_of_week(week date) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ((week - date '1970-01-05') / 7)::bigint << 40 $$;

-- Reserves `size` consecutive trip numbers and returns the first.
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

CREATE OR REPLACE FUNCTION shifts_store.partition_of(week date) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT to_char(week, '"trips_"IYYY"w"IW') $$;

-- Creates the partition of a week if it is missing, and returns its name. ATTACH with a matching CHECK neither scans nor
-- blocks readers and writers of other weeks, unlike CREATE TABLE ... PARTITION OF. Call it in a transaction of its own,
-- before that of the load, so that its lock is released at once.
CREATE OR REPLACE FUNCTION shifts_store.ensure_week(week date) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    partition_name text := shifts_store.partition_of(week);
BEGIN
    IF extract(isodow FROM week) <> 1 THEN
        RAISE EXCEPTION 'a week is named by its Monday, and % is not a Monday', week;
    END IF;
    IF to_regclass('shifts_store.' || partition_name) IS NOT NULL THEN
        RETURN partition_name;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('shifts_store.ensure_week'));
    -- Not to_regclass, which caches that the partition was missing before the lock.
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

-- Creates the block-range index of a week's trips, or adds the blocks that were written since to it. Loads write faster into a
-- partition without an index, and the ranges of new blocks are empty in any case until they are added.
--
-- Creating it waits for writers of the week and blocks them; it takes 0.1 s per million trips. It gives up after two seconds,
-- in which other writers wait for it: longer than `deadlock_timeout`, after which autovacuum gives way. Adding blocks leaves
-- it to an autovacuum that is at work, which adds them, too. Call it again later.
CREATE OR REPLACE FUNCTION shifts_store.index_week(week date) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    partition_name text := shifts_store.partition_of(week);
    index_name     text := partition_name || '_by_file';
BEGIN
    -- Without it, one of two workers that create the index would fail.
    IF NOT pg_try_advisory_xact_lock(hashtext('shifts_store.index_week'), week - date '1970-01-05') THEN
        RETURN;
    END IF;
    IF to_regclass('shifts_store.' || index_name) IS NOT NULL THEN
        SET LOCAL lock_timeout = '100ms';
        IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
            -- The rows are in the shards. Not planned on a server without the extension.
            EXECUTE $run$
                SELECT run_command_on_shards($1::regclass,
                    'SELECT brin_summarize_new_values(indexrelid) FROM pg_index WHERE indrelid = ''%s''::regclass')
            $run$ USING 'shifts_store.' || partition_name;
        ELSE
            PERFORM brin_summarize_new_values(index_name::regclass);
        END IF;
    ELSIF to_regclass('shifts_store.' || partition_name) IS NOT NULL THEN
        EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON shifts_store.%I USING brin (file_id, trip_id, region_id)'
            ' WITH (pages_per_range = 32)', index_name, partition_name);
    END IF;
EXCEPTION WHEN lock_not_available THEN
    NULL;
END
$$;
