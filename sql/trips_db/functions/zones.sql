-- What the API may write of zones, through these functions only.

-- Stores zones, all or none. A zone with the name and region of a stored one replaces its geometry. Geometries are WKB, in
-- degrees. Returns how many are new.
CREATE OR REPLACE FUNCTION shifts_store.put_zones(names text[], zone_regions text[], geometries bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    before bigint;
BEGIN
    -- One writer at a time, so that those that store the same zones do not wait for each other in a circle.
    LOCK TABLE shifts_store.zones IN SHARE ROW EXCLUSIVE MODE;
    before := (SELECT count(*) FROM shifts_store.zones);
    INSERT INTO shifts_store.zones AS z (region_id, name, geometry)
    SELECT r.region_id, u.name, public.ST_GeomFromWKB(u.geometry, 4326)
    FROM unnest(names, zone_regions, geometries) WITH ORDINALITY AS u (name, region, geometry, number)
    LEFT JOIN shifts_store.region_ids(ARRAY(SELECT DISTINCT g FROM unnest(zone_regions) AS g WHERE g IS NOT NULL)) AS r
        ON r.name = u.region
    ORDER BY u.number
    ON CONFLICT (name, coalesce(region_id, 0)) DO UPDATE
    SET geometry = excluded.geometry,
        revision = CASE WHEN z.geometry OPERATOR(public.=) excluded.geometry THEN z.revision
                        ELSE nextval('shifts_store.zone_revisions') END;
    RETURN (SELECT count(*) FROM shifts_store.zones) - before;
END
$$;

-- Deletes a zone; returns whether it was there.
CREATE OR REPLACE FUNCTION shifts_store.delete_zone(wanted bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_store, pg_temp AS $$
BEGIN
    DELETE FROM shifts_store.zones z WHERE z.zone_id = wanted;
    RETURN FOUND;
END
$$;
