"""Connections of the pipeline: psycopg for COPY and locks, SQLAlchemy for everything that reads frames."""

import psycopg
from sqlalchemy import URL, Engine, create_engine, make_url


def with_driver(url: str, driver: str) -> URL:
    """The same database address for SQLAlchemy with the driver written out."""
    return make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername=f"postgresql+{driver}")


def conninfo(url: str) -> str:
    """The address as libpq wants it, without SQLAlchemy's driver name."""
    plain = make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """A psycopg connection; `url` may carry a SQLAlchemy driver name.

    Raises:
        psycopg.OperationalError: the server cannot be reached.
    """
    return psycopg.connect(conninfo(url), autocommit=autocommit)


def engine(url: str) -> Engine:
    """A SQLAlchemy engine on psycopg 3."""
    return create_engine(with_driver(url, "psycopg"), pool_pre_ping=True)
