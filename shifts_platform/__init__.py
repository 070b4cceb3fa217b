"""The platform of one machine: the command `shifts`, the embedded PostGIS, migrations and supervised processes."""
