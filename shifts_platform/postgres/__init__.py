"""The platform's private PostgreSQL server with PostGIS, for machines without a database of their own."""
