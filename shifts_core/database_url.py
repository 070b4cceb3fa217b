"""Database URLs of the settings, parsed strictly; errors never repeat them, because they contain passwords."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_PARAMETERS = frozenset(
    {
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "max_protocol_version",
        "min_protocol_version",
        "options",
        "passfile",
        "port",
        "replication",
        "require_auth",
        "requirepeer",
        "service",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcertmode",
        "sslcompression",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslkeylogfile",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    }
)
"""PostgreSQL 18 manual, 34.1.2 "Parameter Key Words", without passwords and OAuth."""


def parse_database_url(url: str) -> URL:
    """The URL with the driver name `postgresql`; `postgres://` and other drivers' names are accepted.

    Raises:
        ValueError: not the URL of a PostgreSQL database; the message contains no part of it.
    """
    if not url.startswith(("postgresql://", "postgresql+", "postgres://")):
        raise ValueError("must be a postgresql:// URL")
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql")
    except (ArgumentError, ValueError):
        parsed = None
    # An unencoded @ in the password moves its end into the host name, which connection errors show.
    if parsed is None or "@" in (parsed.host or ""):
        raise ValueError("must be a postgresql:// URL whose user and password are percent-encoded")
    if "password" in parsed.query:
        raise ValueError("must have its password before the @, not among the parameters")
    if not _PARAMETERS.issuperset(parsed.query):
        raise ValueError("must have no parameter that libpq does not know")
    return parsed
