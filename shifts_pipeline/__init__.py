"""The Dagster pipeline: loads trip files, clusters similar trips and aggregates weeks; start with definitions.py."""
