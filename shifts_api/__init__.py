"""The web service: reads PostGIS and streams events; it imports neither the pipeline nor Dagster."""
