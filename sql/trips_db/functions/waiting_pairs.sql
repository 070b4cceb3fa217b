-- Returns for each derived table how many pairs are stale, how many of them for longer than `max_wait`, how many are
-- blocked, and the pair that is stale for longest.
CREATE OR REPLACE FUNCTION shifts_store.waiting_pairs(max_wait interval)
RETURNS TABLE (derived_table text, pairs bigint, late bigint, blocked bigint, region text, week date,
               stale_since timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    oldest_region integer;
BEGIN
    FOREACH derived_table IN ARRAY ARRAY['aggregates', 'clusters'] LOOP
        SELECT count(*), count(*) FILTER (WHERE w.stale_since < now() - max_wait) INTO pairs, late
        FROM shifts_store.region_weeks w
        WHERE (w.aggregates_revision <> w.revision OR w.clusters_revision <> w.revision)
          AND w.revision <> CASE waiting_pairs.derived_table
                            WHEN 'aggregates' THEN w.aggregates_revision ELSE w.clusters_revision END;
        SELECT count(*) INTO blocked
        FROM (SELECT DISTINCT p.region_id, p.week FROM shifts_store.blocked_pairs p) AS b
        JOIN shifts_store.region_weeks w
            ON w.region_id = b.region_id AND w.week = b.week
        WHERE w.revision <> CASE waiting_pairs.derived_table
                            WHEN 'aggregates' THEN w.aggregates_revision ELSE w.clusters_revision END;
        SELECT w.region_id, w.week, w.stale_since INTO oldest_region, week, stale_since
        FROM shifts_store.region_weeks w
        WHERE (w.aggregates_revision <> w.revision OR w.clusters_revision <> w.revision)
          AND w.revision <> CASE waiting_pairs.derived_table
                            WHEN 'aggregates' THEN w.aggregates_revision ELSE w.clusters_revision END
        ORDER BY w.stale_since, w.week, w.region_id LIMIT 1;
        SELECT r.name INTO region FROM shifts_store.regions r WHERE r.region_id = oldest_region;
        RETURN NEXT;
    END LOOP;
    -- One query each, by the index of pairs that are stale for shifts.
    derived_table := 'shifts';
    SELECT count(*), count(*) FILTER (WHERE w.shifts_stale_since < now() - max_wait),
           count(*) FILTER (WHERE w.region_id IN (SELECT p.region_id FROM shifts_store.blocked_pairs p))
    INTO pairs, late, blocked
    FROM shifts_store.region_weeks w WHERE w.shifts_revision <> w.revision;
    oldest_region := NULL;
    SELECT w.region_id, w.week, w.shifts_stale_since INTO oldest_region, week, stale_since
    FROM shifts_store.region_weeks w WHERE w.shifts_revision <> w.revision
    ORDER BY w.shifts_stale_since, w.week, w.region_id LIMIT 1;
    region := (SELECT r.name FROM shifts_store.regions r WHERE r.region_id = oldest_region);
    RETURN NEXT;
END
$$;
