"""The names of the jobs: what sensors request, and what they look for among the runs."""

LOAD_TRIP_FILES = "load_trip_files"
REFRESH_WEEKS = "refresh_weeks"
HAND_STARTED = "__ASSET_JOB"
"""The job that Dagster runs when a person materializes assets in its UI."""
