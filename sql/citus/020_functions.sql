-- The functions of sql/trips_db that Citus cannot plan as they are written there, word for word the same to their
-- callers. Here they are PL/pgSQL, whose parameters Citus knows when it plans; nothing volatile is evaluated on a worker;
-- no subquery is correlated with what is no sharded table. To be applied again after `shifts migrate`, which may
-- have put the others back.

CREATE OR REPLACE FUNCTION shifts_store.region_ids(names text[])
RETURNS TABLE (name text, region_id integer)
LANGUAGE plpgsql AS $$
DECLARE
    known text[] := ARRAY(SELECT k.name FROM shifts_store.regions k WHERE k.name = ANY (names));
BEGIN
    INSERT INTO shifts_store.regions AS r (name)
    SELECT n FROM unnest(names) AS n WHERE n <> ALL (known) ORDER BY n
    ON CONFLICT ON CONSTRAINT regions_name_key DO NOTHING;
    RETURN QUERY SELECT r.name, r.region_id FROM shifts_store.regions r WHERE r.name = ANY (names);
END
$$;

CREATE OR REPLACE FUNCTION shifts_store.source_ids(names text[])
RETURNS TABLE (name text, source_id integer)
LANGUAGE plpgsql AS $$
DECLARE
    known text[] := ARRAY(SELECT k.name FROM shifts_store.sources k WHERE k.name = ANY (names));
BEGIN
    INSERT INTO shifts_store.sources AS s (name)
    SELECT n FROM unnest(names) AS n WHERE n <> ALL (known) ORDER BY n
    ON CONFLICT ON CONSTRAINT sources_name_key DO NOTHING;
    RETURN QUERY SELECT s.name, s.source_id FROM shifts_store.sources s WHERE s.name = ANY (names);
END
$$;

CREATE OR REPLACE FUNCTION shifts_store.mark_stale(region_ids integer[], weeks date[], deleted boolean)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shifts_store.region_weeks AS w (region_id, week, revision, changed_at, stale_since, deletion_count)
    SELECT p.region_id, p.week, nextval('shifts_store.revisions'), clock_timestamp(), clock_timestamp(),
           mark_stale.deleted::integer
    FROM (SELECT DISTINCT u.region_id, u.week
          FROM unnest(mark_stale.region_ids, mark_stale.weeks) AS u (region_id, week)
          ORDER BY u.region_id, u.week) AS p
    -- The number was drawn before the row was locked: a change that waited may have a smaller one than that before
    -- it. It is another one, and that is all that counts.
    ON CONFLICT (region_id, week) DO UPDATE
    SET revision = excluded.revision,
        changed_at = excluded.changed_at,
        stale_since = CASE WHEN w.aggregates_revision = w.revision AND w.clusters_revision = w.revision
                           THEN excluded.changed_at ELSE w.stale_since END,
        deletion_count = w.deletion_count + excluded.deletion_count;
    PERFORM pg_notify('shifts_weeks', '');
END
$$;

CREATE OR REPLACE FUNCTION shifts_store.record_file(
    file_id bigint, region_ids integer[], weeks date[], trips bigint[], first_at timestamp[], last_at timestamp[])
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shifts_store.file_week_counts (region_id, week, file_id, trips, first_at, last_at)
    SELECT u.region_id, u.week, record_file.file_id, u.trips, u.first_at, u.last_at
    FROM unnest(record_file.region_ids, record_file.weeks, record_file.trips, record_file.first_at, record_file.last_at)
         AS u (region_id, week, trips, first_at, last_at);
    PERFORM shifts_store.mark_stale(record_file.region_ids, record_file.weeks, false);
END
$$;

CREATE OR REPLACE FUNCTION shifts_store.find_region(wanted text)
RETURNS TABLE (region_id integer, first_at timestamp, last_at timestamp, tiles_revision bigint, is_pending boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    id integer;
BEGIN
    SELECT r.region_id INTO id FROM shifts_store.regions r WHERE r.name = wanted;
    SELECT sum(w.tiles_revision) INTO tiles_revision FROM shifts_store.region_weeks w WHERE w.region_id = id;
    IF tiles_revision IS NULL THEN
        RETURN;
    END IF;
    region_id := id;
    first_at := (SELECT min(f.first_at) FROM shifts_store.file_week_counts f WHERE f.region_id = id);
    last_at := (SELECT max(f.last_at) FROM shifts_store.file_week_counts f WHERE f.region_id = id);
    is_pending := EXISTS (SELECT FROM shifts_store.file_week_counts f WHERE f.region_id = id AND NOT f.aggregated);
    RETURN NEXT;
END
$$;

CREATE OR REPLACE FUNCTION shifts_store.tile_high_bits(
    region integer, weeks date[], tiles integer[], starts integer[], sizes integer[])
RETURNS SETOF bytea
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT substring(t.high_bits FROM u.start + 1 FOR u.size)
    FROM unnest(weeks, tiles, starts, sizes) WITH ORDINALITY AS u (week, tile, start, size, number)
    LEFT JOIN shifts_store.weekly_trip_tiles t ON t.region_id = region AND t.week = u.week AND t.tile = u.tile
    ORDER BY u.number;
END
$$;

CREATE OR REPLACE FUNCTION shifts_store.tile_low_bits(
    region integer, weeks date[], tiles integer[], starts integer[], sizes integer[])
RETURNS SETOF bytea
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT substring(t.low_bits FROM u.start + 1 FOR u.size)
    FROM unnest(weeks, tiles, starts, sizes) WITH ORDINALITY AS u (week, tile, start, size, number)
    LEFT JOIN shifts_store.weekly_trip_tiles t ON t.region_id = region AND t.week = u.week AND t.tile = u.tile
    ORDER BY u.number;
END
$$;
