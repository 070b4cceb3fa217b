-- Named polygons, such as districts, in which trips are counted: from files `zones/REGION.geojson` of the landing zone,
-- or stored by the API.

CREATE TABLE shifts_store.zone_files (
    name    text PRIMARY KEY,            -- in the landing zone
    version text NOT NULL,               -- that was read last
    region  text,                        -- null: the name says none
    zones   integer NOT NULL,            -- in the last version that could be used
    error   text,                        -- why the version that was read last cannot be used
    read_at timestamptz NOT NULL
);

CREATE SEQUENCE shifts_store.zone_revisions;

CREATE TABLE shifts_store.zones (
    zone_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region_id integer,                        -- null: requests for any region may name the zone
    name      text NOT NULL CHECK (name <> ''),
    -- As it was given: a polygon does not become a multipolygon with one part.
    geometry  public.geometry(Geometry, 4326) NOT NULL
        CHECK (public.GeometryType(geometry) IN ('POLYGON', 'MULTIPOLYGON')),
    file      text REFERENCES shifts_store.zone_files (name) ON DELETE CASCADE,  -- null: the API stored it last
    revision  bigint NOT NULL DEFAULT nextval('shifts_store.zone_revisions')  -- new whenever the geometry changes
);
CREATE UNIQUE INDEX zones_by_name ON shifts_store.zones (name, coalesce(region_id, 0));
CREATE INDEX zones_by_file ON shifts_store.zones (file);
