"""HTTP concerns of every route: errors, limits, logs, parameters, pagination and uploads."""
