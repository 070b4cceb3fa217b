-- What each (region, week) pair holds and what was computed from it. Loads write here in their own
-- transaction, so a pair is stale from the very commit that changed it.

CREATE SEQUENCE IF NOT EXISTS shifts_store.changes;

CREATE TABLE IF NOT EXISTS shifts_store.region_weeks (
    region_id            integer NOT NULL REFERENCES shifts_store.regions,
    week                 date NOT NULL CHECK (extract(isodow FROM week) = 1),
    change_id            bigint NOT NULL,       -- of the last change to the pair's trips
    changed_at           timestamptz NOT NULL,
    stale_since          timestamptz NOT NULL,  -- of the oldest change some layer has not seen
    removals             bigint NOT NULL DEFAULT 0,  -- how often trips were taken away
    aggregates_change_id bigint NOT NULL DEFAULT 0,  -- the change the aggregates were computed at
    aggregates_at        timestamptz,
    tiles_version        bigint NOT NULL DEFAULT 0,  -- rises whenever the pair's tiles are written or taken away
    clusters_change_id   bigint NOT NULL DEFAULT 0,
    clusters_at          timestamptz,
    PRIMARY KEY (region_id, week)
);

CREATE TABLE IF NOT EXISTS shifts_store.week_files (
    region_id  integer NOT NULL,
    week       date NOT NULL,
    file_id    bigint NOT NULL REFERENCES shifts_store.trip_files,
    trips      bigint NOT NULL CHECK (trips > 0),
    first_at   timestamp NOT NULL,
    last_at    timestamp NOT NULL,
    aggregated boolean NOT NULL DEFAULT false,  -- are its trips in the pair's tiles?
    PRIMARY KEY (region_id, week, file_id)
);
CREATE INDEX IF NOT EXISTS week_files_by_file ON shifts_store.week_files (file_id);
CREATE INDEX IF NOT EXISTS week_files_pending ON shifts_store.week_files (region_id, week) WHERE NOT aggregated;
