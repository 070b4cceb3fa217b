-- Refreshes of a pair's layer that began and did not succeed; the pair pauses until `retry_at`.
CREATE TABLE shifts_store.refresh_attempts (
    region_id  integer NOT NULL,
    week       date NOT NULL,
    layer      text NOT NULL CHECK (layer IN ('aggregates', 'clusters')),
    attempts   integer NOT NULL,              -- since the last success
    run_id     text NOT NULL,
    started_at timestamptz NOT NULL,
    retry_at   timestamptz NOT NULL,
    error      text NOT NULL,
    PRIMARY KEY (region_id, week, layer)
);

-- The sensor looks for stale pairs every few seconds, however many pairs are fresh.
CREATE INDEX region_weeks_stale ON shifts_store.region_weeks (stale_since)
    WHERE aggregates_change_id <> change_id OR clusters_change_id <> change_id;
