"""The SQL of the trips database for a server without PostGIS: points are text, with four substitute functions."""

import shutil
from pathlib import Path

from shifts_platform.project_files import project_file

_STAND_INS = """
CREATE DOMAIN public.geometry AS text;
CREATE FUNCTION public.ST_MakePoint(x double precision, y double precision) RETURNS public.geometry
    LANGUAGE sql IMMUTABLE AS $$ SELECT x || ' ' || y $$;
CREATE FUNCTION public.ST_SetSRID(point public.geometry, srid integer) RETURNS public.geometry
    LANGUAGE sql IMMUTABLE AS $$ SELECT point $$;
CREATE FUNCTION public.ST_X(point public.geometry) RETURNS double precision
    LANGUAGE sql IMMUTABLE AS $$ SELECT split_part(point, ' ', 1)::double precision $$;
CREATE FUNCTION public.ST_Y(point public.geometry) RETURNS double precision
    LANGUAGE sql IMMUTABLE AS $$ SELECT split_part(point, ' ', 2)::double precision $$;
"""


def copy_without_postgis(to: Path) -> Path:
    """Copies `sql` to `to` and changes `trips_db` in the copy; returns that folder."""
    shutil.copytree(project_file("sql"), to / "sql")
    folder = to / "sql/trips_db"
    for path in folder.rglob("*.sql"):
        text = path.read_text(encoding="utf-8")
        text = text.replace("CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public;", _STAND_INS)
        path.write_text(text.replace("public.geometry(Point, 4326)", "public.geometry"), encoding="utf-8")
    return folder
