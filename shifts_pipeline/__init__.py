"""The Dagster side: takes trip files in, groups similar trips, aggregates weeks; see definitions.py."""
