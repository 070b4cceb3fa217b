-- Named polygons, such as districts, in which trips are counted.

CREATE SEQUENCE shifts_store.zone_revisions;

CREATE TABLE shifts_store.zones (
    zone_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region_id integer,                        -- null: requests for any region may name the zone
    name      text NOT NULL CHECK (name <> ''),
    -- As it was given: a polygon does not become a multipolygon with one part.
    geometry  public.geometry(Geometry, 4326) NOT NULL
        CHECK (public.GeometryType(geometry) IN ('POLYGON', 'MULTIPOLYGON')),
    revision  bigint NOT NULL DEFAULT nextval('shifts_store.zone_revisions')  -- new whenever the geometry changes
);
CREATE UNIQUE INDEX zones_by_name ON shifts_store.zones (name, coalesce(region_id, 0));
