-- What the sensor of stale weeks reads at every tick must not grow with the number of fresh pairs.

CREATE INDEX file_week_counts_by_week ON shifts_store.file_week_counts (week);
CREATE INDEX region_weeks_stale_by_week ON shifts_store.region_weeks (week, stale_since)
    WHERE aggregates_revision <> revision OR clusters_revision <> revision;
DROP INDEX shifts_store.region_weeks_stale;

-- Checks that the last refresh of a (region, week) pair failed; no row: they passed.
CREATE TABLE shifts_store.failed_pair_checks (
    region_id     integer NOT NULL,
    week          date NOT NULL,
    derived_table text NOT NULL CHECK (derived_table IN ('aggregates', 'clusters')),
    check_name    text NOT NULL,
    details       jsonb NOT NULL,
    PRIMARY KEY (region_id, week, check_name)
);
CREATE INDEX failed_pair_checks_by_week ON shifts_store.failed_pair_checks (week);
