"""The tiles behind exact weekly statistics: pure functions from a pair's coordinates to what is stored."""
