-- Retention: weeks that are older than what is kept leave the database as a whole.

ALTER TABLE shifts_store.trip_files ADD COLUMN rows_expired bigint NOT NULL DEFAULT 0;  -- loaded, and no longer kept

CREATE TABLE shifts_store.expired_weeks (
    week       date PRIMARY KEY,
    expired_at timestamptz NOT NULL,
    trips      bigint NOT NULL
);

-- What remains of expired weeks, if totals are kept.
CREATE TABLE shifts_store.expired_totals (
    region_id integer NOT NULL,
    week      date NOT NULL,
    trips     bigint NOT NULL,
    PRIMARY KEY (region_id, week)
);
