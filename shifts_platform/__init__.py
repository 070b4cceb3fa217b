"""One machine's platform: the shifts command, the embedded PostGIS, migrations and the process tree."""
