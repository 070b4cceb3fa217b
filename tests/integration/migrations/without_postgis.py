"""The SQL of the trips database for a server without PostGIS: points are text, with substitute functions."""

import re
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
CREATE FUNCTION public.GeometryType(shape public.geometry) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$ SELECT split_part(shape, '(', 1) $$;
CREATE FUNCTION public.ST_Intersects(one public.geometry, other public.geometry) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS $$ SELECT one = other $$;
CREATE FUNCTION public.ST_Multi(shape public.geometry) RETURNS public.geometry
    LANGUAGE sql IMMUTABLE AS $$ SELECT shape $$;
"""


def copy_without_postgis(to: Path) -> Path:
    """Copies `sql` to `to` and changes `trips_db` in the copy; returns that folder."""
    shutil.copytree(project_file("sql"), to / "sql")
    folder = to / "sql/trips_db"
    for path in folder.rglob("*.sql"):
        text = path.read_text(encoding="utf-8")
        text = text.replace("CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public;", _STAND_INS)
        path.write_text(re.sub(r"public\.geometry\(\w+, 4326\)", "public.geometry", text), encoding="utf-8")
    return folder
