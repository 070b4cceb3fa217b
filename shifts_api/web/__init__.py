"""HTTP concerns that all routes share: errors, limits, logs, metrics, parameters and the OpenAPI document."""
