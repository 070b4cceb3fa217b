-- Stops: the places at which vehicles of a region may stop, from files `stops/REGION.*` of the landing zone.

CREATE TABLE shifts_store.stop_files (
    name     text PRIMARY KEY,           -- in the landing zone
    version  text NOT NULL,              -- that was read last
    region   text,                       -- null: the name says none
    stops    integer NOT NULL,           -- in force: of the last version that could be used
    rejected integer NOT NULL,           -- rows of that version
    error    text,                       -- why the version that was read last cannot be used
    read_at  timestamptz NOT NULL
);

CREATE TABLE shifts_store.stops (
    file   text NOT NULL REFERENCES shifts_store.stop_files (name) ON DELETE CASCADE,
    number integer NOT NULL,
    label  text NOT NULL,
    place  public.geometry(Point, 4326) NOT NULL,
    PRIMARY KEY (file, number)
);

CREATE TABLE shifts_store.rejected_stops (
    file   text NOT NULL REFERENCES shifts_store.stop_files (name) ON DELETE CASCADE,
    line   integer NOT NULL,
    reason text NOT NULL,
    raw    text NOT NULL,
    PRIMARY KEY (file, line)
);

-- What the stops of all files of a region are; regions without stops have no row. By name: stops may come before trips.
CREATE TABLE shifts_store.region_stops (
    region text PRIMARY KEY,
    hash   bytea NOT NULL
);

-- The hash of the stops that shifts were made with, empty without any.
ALTER TABLE shifts_store.shift_makings ADD COLUMN stops bytea NOT NULL DEFAULT '';
ALTER TABLE shifts_store.shift_makings ALTER COLUMN stops DROP DEFAULT;

-- Labels of the stops; null: the place is a point at which a trip began or ended.
ALTER TABLE shifts_store.shifts ADD COLUMN pickup_stop text, ADD COLUMN dropoff_stop text;
