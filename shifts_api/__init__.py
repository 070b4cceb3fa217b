"""The web service: reads PostGIS, streams events; it never imports the pipeline or Dagster."""
