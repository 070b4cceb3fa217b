"""What only a Citus cluster can show; skipped without `SHIFTS_TEST_CITUS`."""
