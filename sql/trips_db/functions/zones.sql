-- Zones: what the API may write of them, and files of zones that are read, cannot be used or are gone.

-- Stores zones, all or none. A zone with the name and region of a stored one replaces its geometry. Geometries are WKB, in
-- degrees; `source` is the file that they are from, or null. Returns how many are new.
CREATE OR REPLACE FUNCTION shifts_store.store_zones(names text[], zone_regions text[], geometries bytea[], source text)
RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    before bigint;
BEGIN
    -- One writer at a time, so that those that store the same zones do not wait for each other in a circle.
    LOCK TABLE shifts_store.zones IN SHARE ROW EXCLUSIVE MODE;
    before := (SELECT count(*) FROM shifts_store.zones);
    INSERT INTO shifts_store.zones AS z (region_id, name, geometry, file)
    SELECT r.region_id, u.name, public.ST_GeomFromWKB(u.geometry, 4326), source
    FROM unnest(names, zone_regions, geometries) WITH ORDINALITY AS u (name, region, geometry, number)
    LEFT JOIN shifts_store.region_ids(ARRAY(SELECT DISTINCT g FROM unnest(zone_regions) AS g WHERE g IS NOT NULL)) AS r
        ON r.name = u.region
    ORDER BY u.number
    ON CONFLICT (name, coalesce(region_id, 0)) DO UPDATE
    SET geometry = excluded.geometry,
        file = excluded.file,
        revision = CASE WHEN z.geometry OPERATOR(public.=) excluded.geometry THEN z.revision
                        ELSE excluded.revision END;
    RETURN (SELECT count(*) FROM shifts_store.zones) - before;
END
$$;

-- Stores zones for the API.
CREATE OR REPLACE FUNCTION shifts_store.put_zones(names text[], zone_regions text[], geometries bytea[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    SELECT shifts_store.check_writable(zone_regions);
    SELECT shifts_store.store_zones(names, zone_regions, geometries, NULL)
$$;

-- Deletes a zone; returns whether it was there.
CREATE OR REPLACE FUNCTION shifts_store.delete_zone(wanted bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    PERFORM shifts_store.check_writable(ARRAY(
        SELECT r.name FROM shifts_store.zones z LEFT JOIN shifts_store.regions r USING (region_id)
        WHERE z.zone_id = wanted));
    DELETE FROM shifts_store.zones z WHERE z.zone_id = wanted;
    RETURN FOUND;
END
$$;

-- Records a version of a file of zones, which replace those of the version before.
CREATE OR REPLACE FUNCTION shifts_store.replace_zones(
    name text, version text, region text, names text[], geometries bytea[])
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    INSERT INTO shifts_store.zone_files AS f (name, version, region, zones, error, read_at)
    VALUES (replace_zones.name, replace_zones.version, replace_zones.region, cardinality(names), NULL,
            clock_timestamp())
    ON CONFLICT ON CONSTRAINT zone_files_pkey DO UPDATE
    SET version = excluded.version, zones = excluded.zones, error = NULL, read_at = excluded.read_at;
    PERFORM shifts_store.store_zones(names, array_fill(region, ARRAY[cardinality(names)]), geometries,
                                     replace_zones.name);
    DELETE FROM shifts_store.zones z WHERE z.file = replace_zones.name AND z.name <> ALL (names);
END
$$;

-- Records a version of a file of zones that cannot be used. The zones of the version before stay.
CREATE OR REPLACE FUNCTION shifts_store.fail_zones(name text, version text, region text, error text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    INSERT INTO shifts_store.zone_files (name, version, region, zones, error, read_at)
    VALUES (fail_zones.name, fail_zones.version, fail_zones.region, 0, fail_zones.error, clock_timestamp())
    ON CONFLICT ON CONSTRAINT zone_files_pkey DO UPDATE
    SET version = excluded.version, error = excluded.error, read_at = excluded.read_at
$$;

-- Deletes a file of zones that is gone, and its zones.
CREATE OR REPLACE FUNCTION shifts_store.delete_zone_file(wanted text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
    DELETE FROM shifts_store.zone_files f WHERE f.name = wanted
$$;
