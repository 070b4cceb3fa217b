"""The planner's page in a real browser, on a real service."""
