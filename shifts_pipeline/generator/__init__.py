"""Believable trips of several cities, from a seed: for demonstrations, tests and measurements."""
