"""Generated trips of known composition, for the demo, benchmarks and tests."""
