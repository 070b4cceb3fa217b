-- Tiles store the minute of the week in which each trip starts. Tiles of older versions do not: a refresh rebuilds them, and
-- until then, statistics of weekdays and times count these pairs trip by trip.

UPDATE shifts_store.region_weeks SET aggregates_revision = 0, stale_since = clock_timestamp()
WHERE tiles_revision > 0 AND aggregates_revision = revision AND clusters_revision = revision;
UPDATE shifts_store.region_weeks SET aggregates_revision = 0
WHERE tiles_revision > 0 AND aggregates_revision = revision;
