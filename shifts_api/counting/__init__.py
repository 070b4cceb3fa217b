"""Counts trips in a box from tiles, whose bytes `sql/trips_db/functions/tiles.sql` describes."""
