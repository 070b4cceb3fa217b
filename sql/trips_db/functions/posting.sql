-- What the API may write: posted trips and requests for files, through these functions only. They run as the owner of the
-- schema; the role of the API cannot insert, update or delete.

-- Returns the file of the request that used a key; no row for a new key.
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

-- Claims a key. Returns null for a new key, else the file of the request that used it. Of two requests with the same key
-- at the same time, the second waits for the first.
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

-- Creates the missing partitions of posted trips. Call it in a transaction of its own with a few weeks at a time: its
-- locks block other writers, and a partition takes longer the more exist (60 ms with 1,400).
CREATE OR REPLACE FUNCTION shifts_store.prepare_weeks(weeks date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(weeks) AS w WHERE w < date '1970-01-05' OR w > current_date + 400) THEN
        RAISE EXCEPTION 'no such week of trips';
    END IF;
    PERFORM shifts_store.ensure_week(w) FROM (SELECT DISTINCT unnest(weeks) AS w ORDER BY 1) AS missing;
END
$$;

-- Creates the missing partitions and reserves a block of trip numbers; returns the first number.
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

-- Stores a posted list of trips, all or none, and records it in the ledger as a load does. The caller has built the tiles
-- that contain them: one segment for each region and week. Returns the list's file id.
CREATE OR REPLACE FUNCTION shifts_store.post_trips(
    regions text[], sources text[], started_at timestamp[],
    origin_x double precision[], origin_y double precision[],
    destination_x double precision[], destination_y double precision[],
    tile_regions text[], tile_weeks date[], tiles integer[], tile_trips integer[],
    leaves bytea[], high_bits bytea[], low_bits bytea[],
    first_number bigint, size_bytes bigint, idempotency_key text, fingerprint text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    list_id    bigint := shifts_store.claim_key(idempotency_key, post_trips.fingerprint);
    task       text := replace(gen_random_uuid()::text, '-', '');
    name       text := format('posted/%s', task);
    region_ids integer[];
    source_ids integer[];
BEGIN
    PERFORM shifts_store.check_writable(regions);
    IF list_id IS NOT NULL THEN
        RETURN list_id;
    END IF;
    INSERT INTO shifts_store.trip_files
        (kind, uri, name, version, size_bytes, content_hash, status, rows_loaded, task_id,
         started_at, finished_at, published_at)
    VALUES ('json', 'api:' || name, name, '1', post_trips.size_bytes, post_trips.fingerprint, 'loaded',
            cardinality(regions), task, clock_timestamp(), clock_timestamp(), clock_timestamp())
    RETURNING file_id INTO list_id;

    SELECT array_agg(r.region_id ORDER BY u.number), array_agg(s.source_id ORDER BY u.number) INTO region_ids, source_ids
    FROM unnest(post_trips.regions, post_trips.sources) WITH ORDINALITY AS u (region, source, number)
    JOIN shifts_store.region_ids(ARRAY(SELECT DISTINCT unnest(post_trips.regions))) AS r ON r.name = u.region
    JOIN shifts_store.source_ids(ARRAY(SELECT DISTINCT unnest(post_trips.sources))) AS s ON s.name = u.source;
    -- Not part of a larger statement, whose parts Citus would send to all workers.
    INSERT INTO shifts_store.trips (trip_id, started_at, region_id, source_id, file_id, origin, destination)
    SELECT shifts_store.first_id_of_week(shifts_store.week_of(u.started_at)) + first_number + u.number - 1,
           u.started_at, u.region_id, u.source_id, list_id,
           public.ST_SetSRID(public.ST_MakePoint(u.ox, u.oy), 4326),
           public.ST_SetSRID(public.ST_MakePoint(u.dx, u.dy), 4326)
    FROM unnest(region_ids, source_ids, post_trips.started_at, origin_x, origin_y, destination_x, destination_y)
         WITH ORDINALITY AS u (region_id, source_id, started_at, ox, oy, dx, dy, number)
    ORDER BY shifts_store.week_of(u.started_at), u.number;
    PERFORM shifts_store.record_file(list_id, array_agg(p.region_id), array_agg(p.week), array_agg(p.trips),
                                     array_agg(p.first_at), array_agg(p.last_at))
    FROM (SELECT u.region_id, shifts_store.week_of(u.started_at) AS week, count(*) AS trips,
                 min(u.started_at) AS first_at, max(u.started_at) AS last_at
          FROM unnest(region_ids, post_trips.started_at) AS u (region_id, started_at) GROUP BY 1, 2) AS p;
    PERFORM shifts_store.post_segments(list_id, tile_regions, tile_weeks, tiles, tile_trips, leaves, high_bits, low_bits);

    UPDATE shifts_store.idempotency_keys k SET file_id = list_id WHERE k.key = idempotency_key;
    RETURN list_id;
END
$$;

-- Returns the counts of a file in a region.
CREATE OR REPLACE FUNCTION shifts_store.counts_of_file(region integer, file bigint)
RETURNS TABLE (region_id integer, week date, trips bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT f.region_id, f.week, f.trips FROM shifts_store.file_week_counts f
                 WHERE f.region_id = region AND f.file_id = file;
END
$$;

-- Writes and records the segments of a posted list, from its tiles.
CREATE OR REPLACE FUNCTION shifts_store.post_segments(
    list_id bigint, regions text[], weeks date[], tiles integer[], trips integer[],
    leaves bytea[], high_bits bytea[], low_bits bytea[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    region_ids integer[];
    pairs      record;
BEGIN
    SELECT array_agg(r.region_id ORDER BY u.number) INTO region_ids
    FROM unnest(post_segments.regions) WITH ORDINALITY AS u (name, number)
    JOIN shifts_store.regions r ON r.name = u.name;
    -- The counts of the list, which its trips were just recorded with, have one row for each of its pairs. They are read
    -- region by region, so that no other server than theirs is needed.
    SELECT array_agg(p.region_id) AS region_ids, array_agg(p.week) AS weeks, array_agg(p.segment) AS segments,
           array_agg(list_id) AS file_ids, array_agg(p.trips) AS trips
    INTO pairs
    FROM (SELECT f.region_id, f.week, f.trips, nextval('shifts_store.segment_numbers') AS segment
          FROM unnest(ARRAY(SELECT DISTINCT unnest(region_ids))) AS r (id)
          CROSS JOIN LATERAL shifts_store.counts_of_file(r.id, list_id) AS f) AS p;
    IF EXISTS (SELECT FROM unnest(pairs.region_ids, pairs.weeks, pairs.trips) AS p (region_id, week, trips)
               FULL JOIN (SELECT u.region_id, u.week, sum(u.trips) AS trips
                          FROM unnest(region_ids, post_segments.weeks, post_segments.trips)
                              AS u (region_id, week, trips) GROUP BY u.region_id, u.week) AS t
                   USING (region_id, week)
               WHERE p.trips IS DISTINCT FROM t.trips) THEN
        RAISE EXCEPTION 'tiles and trips of a posted list do not fit together';
    END IF;
    INSERT INTO shifts_store.weekly_trip_tiles (region_id, week, segment, tile, trips, leaves, high_bits, low_bits)
    SELECT u.region_id, u.week, p.segment, u.tile, u.trips, u.leaves, u.high_bits, u.low_bits
    FROM unnest(region_ids, post_segments.weeks, post_segments.tiles, post_segments.trips, post_segments.leaves,
                post_segments.high_bits, post_segments.low_bits)
             AS u (region_id, week, tile, trips, leaves, high_bits, low_bits)
    JOIN unnest(pairs.region_ids, pairs.weeks, pairs.segments) AS p (region_id, week, segment)
        ON p.region_id = u.region_id AND p.week = u.week;
    PERFORM shifts_store.record_segments(pairs.region_ids, pairs.weeks, pairs.segments, pairs.file_ids, pairs.trips);
END
$$;

-- Queues a file of the landing zone for a client of the API; the sensor `queued_files` is notified at the commit. Without
-- a version, the request stands for the version that is there when the file is loaded. Returns its ledger row.
CREATE OR REPLACE FUNCTION shifts_store.request_file(
    uri text, name text, version text, size_bytes bigint, idempotency_key text, fingerprint text)
RETURNS shifts_store.trip_files
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    before    bigint := shifts_store.claim_key(idempotency_key, request_file.fingerprint);
    requested shifts_store.trip_files;
BEGIN
    -- The file may hold trips of any region.
    PERFORM shifts_store.check_writable(ARRAY[NULL]);
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
