-- Shifts of each (region, week), made from the trips of the last weeks, and what they were made from.

-- A making: the shifts of a region after a week. It is up to date if its history is, and if the makings before it have
-- the names from which its own follow.
CREATE TABLE shifts_store.shift_makings (
    region_id         integer NOT NULL,
    week              date NOT NULL CHECK (extract(isodow FROM week) = 1),  -- the last one of the history
    parameters        text NOT NULL,
    history_weeks     date[] NOT NULL,         -- weeks of the history that had trips, in order
    history_revisions bigint[] NOT NULL,       -- of these (region, week) pairs when they were read
    earlier_names     bytea NOT NULL,          -- hash of `names` of the makings from which ids were taken
    names             bytea NOT NULL,          -- hash of what later makings take from this one
    trips             bigint NOT NULL,         -- of the history
    trips_served      bigint NOT NULL,         -- of these, by the shifts
    shifts            integer NOT NULL,
    made_at           timestamptz NOT NULL,
    PRIMARY KEY (region_id, week)
);
CREATE INDEX shift_makings_by_week ON shifts_store.shift_makings (week);

-- A making is replaced whole; only ids, first weeks and statuses change when earlier makings do.
-- A shift's id carries the week of its first making in the bits from 40 up, as a cluster's id does. It is the same in the
-- makings of later weeks.
CREATE TABLE shifts_store.shifts (
    region_id           integer NOT NULL,
    week                date NOT NULL CHECK (extract(isodow FROM week) = 1),
    rank                integer NOT NULL CHECK (rank >= 1),
    shift_id            bigint NOT NULL,
    weekdays            smallint NOT NULL CHECK (weekdays BETWEEN 1 AND 127),  -- bit 0 is Monday
    departs             time NOT NULL,
    earliest            time NOT NULL,
    latest              time NOT NULL,
    riders              double precision NOT NULL,
    riders_low          integer NOT NULL,
    riders_high         integer NOT NULL,
    regularity          double precision NOT NULL CHECK (regularity BETWEEN 0 AND 1),
    weeks               integer NOT NULL,
    first_week          date NOT NULL,
    status              text NOT NULL CHECK (status IN ('new', 'continuing', 'ending')),
    trips               integer NOT NULL CHECK (trips > 0),
    pickup              public.geometry(Point, 4326) NOT NULL,
    dropoff             public.geometry(Point, 4326) NOT NULL,
    pickup_walk_m       double precision NOT NULL,   -- mean over the trips
    pickup_walk_max_m   double precision NOT NULL,
    dropoff_walk_m      double precision NOT NULL,
    dropoff_walk_max_m  double precision NOT NULL,
    first_week_in_history date NOT NULL,             -- without what follows from earlier makings
    last_riders         integer NOT NULL,
    last_departures     integer NOT NULL,
    -- Trips of the history that the shift counts, ascending. As rows of a table they would take ten times the space:
    -- a trip is in the makings of several weeks.
    trip_ids            bigint[] NOT NULL,
    PRIMARY KEY (region_id, week, rank),
    CONSTRAINT shifts_id_once UNIQUE (region_id, week, shift_id),
    CONSTRAINT shifts_window CHECK (earliest <= departs AND departs <= latest),
    CONSTRAINT shifts_counted_trips CHECK (cardinality(trip_ids) = trips)
);
CREATE INDEX shifts_by_id ON shifts_store.shifts (shift_id, week);
CREATE INDEX shifts_by_week ON shifts_store.shifts (week);

-- The revision of a pair's trips that every making with the pair in its history has seen.
ALTER TABLE shifts_store.region_weeks
    ADD COLUMN shifts_revision bigint NOT NULL DEFAULT 0,
    ADD COLUMN shifts_stale_since timestamptz NOT NULL DEFAULT now();
CREATE INDEX region_weeks_shifts_stale ON shifts_store.region_weeks (region_id, week)
    WHERE shifts_revision <> revision;

-- Makings of a region's shifts that began and did not succeed; the region pauses until `retry_at`.
CREATE TABLE shifts_store.shift_attempts (
    region_id  integer PRIMARY KEY,
    attempts   integer NOT NULL,              -- since the last success
    run_id     text NOT NULL,
    started_at timestamptz NOT NULL,
    retry_at   timestamptz NOT NULL,
    error      text NOT NULL
);

-- The parameters that makings are to have; a change of them makes all makings stale.
CREATE TABLE shifts_store.shift_parameters (
    parameters text PRIMARY KEY
);

ALTER TABLE shifts_store.failed_pair_checks DROP CONSTRAINT failed_pair_checks_derived_table_check;
ALTER TABLE shifts_store.failed_pair_checks ADD CONSTRAINT failed_pair_checks_derived_table_check
    CHECK (derived_table IN ('aggregates', 'clusters', 'shifts'));
