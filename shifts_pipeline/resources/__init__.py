"""What assets, sensors and ops receive from Dagster: one resource a file, none of them decides anything."""
