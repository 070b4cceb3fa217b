"""Generated trips of known composition, for demonstrations, benchmarks and tests."""
