"""Counting trips in a box from tiles: pure functions on arrays; sql/trips_db/070_tiles.sql describes the bytes."""
