"""Database addresses of the settings, read strictly; errors never repeat them, for they hold passwords."""

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


def parse_database_url(url: str) -> URL:
    """The address with the driver name `postgresql`.

    Raises:
        ValueError: it is no address of a PostgreSQL database; the message holds no part of it.
    """
    if not url.startswith(("postgresql://", "postgresql+", "postgres://")):
        raise ValueError("must be a postgresql:// URL")
    try:
        address = make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql")
        conninfo_to_dict(address.render_as_string(hide_password=False))
    except (ArgumentError, ValueError, psycopg.ProgrammingError):
        address = None
    # An unencoded @ in the password moves its end into the name of the host, which connection errors show.
    if address is None or "@" in (address.host or ""):
        raise ValueError("must be a postgresql:// URL whose user and password are percent-encoded")
    if "password" in address.query:
        raise ValueError("must have its password before the @, not among the parameters")
    return address
