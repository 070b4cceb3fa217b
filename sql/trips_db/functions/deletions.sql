-- Deletion of files: the API or the retention marks records, and a worker deletes the rows and then the landed files.

-- Marks records for deletion; those that are marked or deleted already stay as they are. The caller holds their originals.
CREATE OR REPLACE FUNCTION shifts_store.mark_deleting(file_ids bigint[], asked_by text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'delete', true);
    UPDATE shifts_store.trip_files f
    SET status = 'deleting', deletion_requested_at = clock_timestamp(), deleted_by = asked_by, readmitted_at = NULL
    WHERE f.file_id = ANY (file_ids) AND f.status NOT IN ('deleting', 'deleted');
    SELECT pg_notify('shifts_deletions', '')
$$;

-- Asks for the deletion of a file: of every version of its name, or of a posted list. Its bytes go under every name. With
-- `keep_copies`, they stay: a duplicate under another name receives the rows; raises SH412 if there is none, also when such a
-- request is repeated. Returns the records that are deleted, first the file itself or the newest of its name; no row if there is
-- no such file.
CREATE OR REPLACE FUNCTION shifts_store.request_deletion(wanted bigint, keep_copies boolean, asked_by text)
RETURNS SETOF shifts_store.trip_files
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    file      shifts_store.trip_files;
    originals bigint[];
    gone      bigint[] := ARRAY[wanted];
BEGIN
    SELECT * INTO file FROM shifts_store.trip_files f WHERE f.file_id = wanted;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF file.status NOT IN ('deleting', 'deleted') THEN
        originals := shifts_store.lock_originals(file.kind, file.name);
        IF keep_copies THEN
            IF NOT EXISTS (SELECT FROM shifts_store.trip_files f
                           WHERE f.kind = 'file' AND f.status IN ('loaded', 'duplicate') AND f.name <> file.name
                             AND (f.file_id = ANY (originals) OR f.duplicate_of = ANY (originals))
                             AND NOT starts_with(f.version, 'request-')) THEN
                RAISE EXCEPTION 'no other file has the bytes of %', file.name USING ERRCODE = 'SH412';
            END IF;
            PERFORM shifts_store.give_to_duplicate(f.file_id, f.name) FROM shifts_store.trip_files f
            WHERE f.file_id = ANY (originals) AND f.name = file.name;
        END IF;
        gone := ARRAY(
            SELECT f.file_id FROM shifts_store.trip_files f
            WHERE f.status NOT IN ('deleting', 'deleted')
              AND (f.kind = file.kind AND f.name = file.name
                   OR NOT keep_copies AND (f.file_id = ANY (originals) OR f.duplicate_of = ANY (originals))));
        PERFORM shifts_store.mark_deleting(gone, asked_by);
        -- Bytes that are kept under another name are not refused.
        UPDATE shifts_store.trip_files f SET readmitted_at = clock_timestamp()
        FROM shifts_store.trip_files o
        WHERE f.file_id = ANY (gone) AND o.file_id = ANY (originals) AND o.status = 'loaded'
          AND f.content_hash = o.content_hash;
    END IF;
    RETURN QUERY SELECT f.* FROM shifts_store.trip_files f WHERE f.file_id = ANY (gone)
                 ORDER BY f.file_id = wanted DESC, f.name = file.name DESC, f.file_id DESC;
END
$$;

-- Locks the loaded files that hold the trips of a name, in the order in which loads lock them, and returns them.
CREATE OR REPLACE FUNCTION shifts_store.lock_originals(file_kind text, file_name text) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    RETURN ARRAY(
        SELECT o.file_id FROM shifts_store.trip_files o
        WHERE o.status = 'loaded' AND o.file_id IN (
            SELECT coalesce(f.duplicate_of, f.file_id) FROM shifts_store.trip_files f
            WHERE f.kind = file_kind AND f.name = file_name AND f.status IN ('loaded', 'duplicate'))
        ORDER BY o.file_id FOR UPDATE);
END
$$;

-- Returns the files that are to be deleted and still have trips or rejects.
CREATE OR REPLACE FUNCTION shifts_store.deleting_files_with_rows() RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    marked  bigint[] := ARRAY(SELECT f.file_id FROM shifts_store.trip_files f WHERE f.status = 'deleting');
    counted bigint[] := ARRAY(SELECT DISTINCT c.file_id FROM shifts_store.file_week_counts c WHERE c.file_id = ANY (marked));
BEGIN
    RETURN QUERY
    SELECT m.file_id FROM unnest(marked) AS m (file_id)
    WHERE m.file_id = ANY (counted) OR EXISTS (SELECT FROM shifts_store.rejected_rows r WHERE r.file_id = m.file_id)
    ORDER BY 1;
END
$$;

-- Why bytes are refused that have been deleted; null if they are not.
CREATE OR REPLACE FUNCTION shifts_store.refusal(content_hash text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    RETURN (SELECT format('these bytes were deleted on %s as %s, by %s; `shifts drop --again` loads them all the same',
                          (f.deletion_requested_at AT TIME ZONE 'UTC')::date, f.name, f.deleted_by)
            FROM shifts_store.trip_files f
            WHERE f.content_hash = refusal.content_hash AND f.status IN ('deleting', 'deleted') AND f.readmitted_at IS NULL
            ORDER BY f.deletion_requested_at DESC LIMIT 1);
END
$$;

-- Lets bytes be loaded again that have been deleted. Returns whether they had been.
CREATE OR REPLACE FUNCTION shifts_store.readmit(content_hash text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    UPDATE shifts_store.trip_files f SET readmitted_at = clock_timestamp()
    WHERE f.content_hash = readmit.content_hash AND f.status IN ('deleting', 'deleted') AND f.readmitted_at IS NULL;
    RETURN FOUND;
END
$$;

-- Notes which clusters and shifts were computed with trips of a file, in temporary tables. Call it before the trips are deleted.
CREATE OR REPLACE FUNCTION shifts_store.note_computed(gone bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp
SET plan_cache_mode = force_custom_plan
-- The planner expects too few members.
SET enable_nestloop = off AS $$
DECLARE
    pairs record;
BEGIN
    CREATE TEMP TABLE computed_clusters (region_id integer, week date, computed_at timestamptz, cluster_id bigint) ON COMMIT DROP;
    CREATE TEMP TABLE computed_shifts (region_id integer, week date, computed_at timestamptz, rank integer) ON COMMIT DROP;
    FOR pairs IN
        SELECT c.week, array_agg(c.region_id) AS region_ids FROM shifts_store.file_week_counts c
        WHERE c.file_id = gone GROUP BY c.week ORDER BY c.week
    LOOP
        INSERT INTO pg_temp.computed_clusters
        SELECT w.region_id, w.week, w.clusters_at, found.cluster_id
        FROM shifts_store.region_weeks w
        LEFT JOIN (
            SELECT DISTINCT c.region_id, c.cluster_id
            FROM shifts_store.trip_clusters c CROSS JOIN LATERAL unnest(c.trip_ids) AS m (trip_id)
            JOIN shifts_store.trips t ON t.trip_id = m.trip_id AND t.region_id = c.region_id
            WHERE c.week = pairs.week AND c.region_id = ANY (pairs.region_ids) AND t.file_id = gone
              AND t.started_at >= pairs.week AND t.started_at < pairs.week + 7) AS found ON found.region_id = w.region_id
        WHERE w.week = pairs.week AND w.region_id = ANY (pairs.region_ids);

        INSERT INTO pg_temp.computed_shifts
        WITH makings AS MATERIALIZED (
            SELECT m.region_id, m.week, m.made_at FROM shifts_store.shift_makings m
            WHERE m.region_id = ANY (pairs.region_ids) AND m.week >= pairs.week AND pairs.week = ANY (m.history_weeks)
        ), candidates AS MATERIALIZED (
            SELECT s.region_id, s.week, s.rank, s.pickup, s.dropoff, s.trip_ids
            FROM shifts_store.shifts s JOIN makings m ON m.region_id = s.region_id AND m.week = s.week
        ), ends AS MATERIALIZED (
            SELECT t.trip_id, t.region_id, t.origin, t.destination FROM shifts_store.trips t
            WHERE t.file_id = gone AND t.started_at >= pairs.week AND t.started_at < pairs.week + 7
        ), found AS (
            SELECT s.region_id, s.week, s.rank FROM candidates s CROSS JOIN LATERAL unnest(s.trip_ids) AS m (trip_id)
            JOIN ends e ON e.trip_id = m.trip_id AND e.region_id = s.region_id
            -- A vehicle may stop where a trip of another shift begins or ends.
            UNION SELECT s.region_id, s.week, s.rank FROM candidates s
            JOIN ends e ON e.origin OPERATOR(public.=) s.pickup AND e.region_id = s.region_id
            UNION SELECT s.region_id, s.week, s.rank FROM candidates s
            JOIN ends e ON e.destination OPERATOR(public.=) s.dropoff AND e.region_id = s.region_id
        )
        SELECT m.region_id, m.week, m.made_at, f.rank
        FROM makings m LEFT JOIN found f ON f.region_id = m.region_id AND f.week = m.week;
    END LOOP;
END
$$;

-- Deletes the clusters and shifts that were noted. What was computed since then is deleted as a whole: it may contain the trips.
-- The caller has locked the pairs, so that nothing more is computed with them.
CREATE OR REPLACE FUNCTION shifts_store.delete_computed() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    DELETE FROM shifts_store.trip_clusters c USING pg_temp.computed_clusters n
    WHERE c.region_id = n.region_id AND c.week = n.week AND c.cluster_id = n.cluster_id;
    DELETE FROM shifts_store.trip_clusters c
    USING (SELECT DISTINCT n.region_id, n.week, n.computed_at FROM pg_temp.computed_clusters n) AS n
    JOIN shifts_store.region_weeks w ON w.region_id = n.region_id AND w.week = n.week
    WHERE c.region_id = n.region_id AND c.week = n.week AND w.clusters_at IS DISTINCT FROM n.computed_at;
    DELETE FROM shifts_store.shifts s USING pg_temp.computed_shifts n
    WHERE s.region_id = n.region_id AND s.week = n.week AND s.rank = n.rank;
    DELETE FROM shifts_store.shifts s
    USING (SELECT DISTINCT n.region_id, n.week, n.computed_at FROM pg_temp.computed_shifts n) AS n
    JOIN shifts_store.shift_makings m ON m.region_id = n.region_id AND m.week = n.week
    WHERE s.region_id = n.region_id AND s.week = n.week AND m.made_at <> n.computed_at;
    DROP TABLE pg_temp.computed_clusters, pg_temp.computed_shifts;
END
$$;

-- Removes the counts of a file whose trips and rejects are deleted, and records the segments that subtract the trips. It locks
-- the pairs: commit right after it. Answers then contain nothing of the file.
CREATE OR REPLACE FUNCTION shifts_store.finish_row_deletion(
    gone bigint, segment_region_ids integer[], segment_weeks date[], segments bigint[], segment_file_ids bigint[],
    segment_trips bigint[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    PERFORM shifts_store.replace_files(
        ARRAY[gone], gone, '{}', '{}', '{}', '{}', '{}', finish_row_deletion.segment_region_ids,
        finish_row_deletion.segment_weeks, finish_row_deletion.segments, finish_row_deletion.segment_file_ids,
        finish_row_deletion.segment_trips);
    PERFORM shifts_store.delete_computed();
END
$$;

-- The rows of these files and what lay in the landing zone are gone. Each record gives up its version, so that a file with the
-- same time and size is registered as a new one, and refused for its bytes.
CREATE OR REPLACE FUNCTION shifts_store.finish_deletion(file_ids bigint[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT set_config('shifts.transition', 'finish_deletion', true);
    UPDATE shifts_store.trip_files f
    SET status = 'deleted', version = 'deleted-' || f.file_id, finished_at = clock_timestamp(), published_at = NULL
    WHERE f.file_id = ANY (file_ids) AND f.status = 'deleting'
$$;
