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
