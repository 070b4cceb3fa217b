"""The pipeline's connections to PostgreSQL, with keepalives on both ends."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import URL

from shifts_core.database_url import parse_database_url

_CLIENT = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Seconds, and milliseconds for the timeout: a dead server is noticed within 25 s."""
_SERVER = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "client_connection_check_interval": "10000",
}
"""The same for the server, which must notice a dead client to release its locks, even during a statement."""


def with_driver(url: str, driver: str) -> URL:
    """The same database address for SQLAlchemy with the driver written out."""
    return parse_database_url(url).set(drivername=f"postgresql+{driver}")


def conninfo(url: str) -> str:
    """The address as libpq wants it, without SQLAlchemy's driver name."""
    address = with_driver(url, "psycopg")
    parts = address.translate_connect_args(username="user", database="dbname")
    # Written out by SQLAlchemy, the spaces of an option would be plus signs, which libpq leaves as they are.
    options = {
        name: value if isinstance(value, str) else ",".join(value) for name, value in address.query.items()
    }
    return make_conninfo(**{**parts, **options})


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """A psycopg connection; `url` may carry a SQLAlchemy driver name.

    Raises:
        psycopg.OperationalError: the server cannot be reached.
    """
    return psycopg.connect(conninfo(url), autocommit=autocommit, **_keepalives(url))


def _keepalives(url: str) -> dict[str, Any]:
    """Options of a connection; those of the URL are kept."""
    given = str(conninfo_to_dict(conninfo(url)).get("options") or "")
    ours = " ".join(f"-c {name}={value}" for name, value in _SERVER.items())
    return {**_CLIENT, "options": f"{ours} {given}".strip()}
