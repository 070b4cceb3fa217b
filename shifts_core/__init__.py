"""The ground floor: pure rules and algorithms that the pipeline and the API share; no Dagster, FastAPI or driver."""
