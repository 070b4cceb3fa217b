"""Jobs: their names, and the nightly cleanup."""
