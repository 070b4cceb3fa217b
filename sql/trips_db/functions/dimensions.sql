-- Ids of names, creating those that are new. Names must be distinct. Parallel calls return the same ids. Known names need no
-- write, which every server would take part in.

CREATE OR REPLACE FUNCTION shifts_store.region_ids(names text[])
RETURNS TABLE (name text, region_id integer)
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    known text[] := ARRAY(SELECT r.name FROM shifts_store.regions r WHERE r.name = ANY (names));
BEGIN
    IF cardinality(known) < cardinality(names) THEN
        INSERT INTO shifts_store.regions AS r (name)
        SELECT n FROM (SELECT unnest(names) EXCEPT SELECT unnest(known)) AS new (n) ORDER BY n
        ON CONFLICT ON CONSTRAINT regions_name_key DO NOTHING;
    END IF;
    RETURN QUERY SELECT r.name, r.region_id FROM shifts_store.regions r WHERE r.name = ANY (names);
END
$$;

CREATE OR REPLACE FUNCTION shifts_store.source_ids(names text[])
RETURNS TABLE (name text, source_id integer)
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    known text[] := ARRAY(SELECT s.name FROM shifts_store.sources s WHERE s.name = ANY (names));
BEGIN
    IF cardinality(known) < cardinality(names) THEN
        INSERT INTO shifts_store.sources AS s (name)
        SELECT n FROM (SELECT unnest(names) EXCEPT SELECT unnest(known)) AS new (n) ORDER BY n
        ON CONFLICT ON CONSTRAINT sources_name_key DO NOTHING;
    END IF;
    RETURN QUERY SELECT s.name, s.source_id FROM shifts_store.sources s WHERE s.name = ANY (names);
END
$$;
