"""Whether a key exists, before the service starts: one that other machines reach does not start without."""

import psycopg

from shifts_api.settings import ApiSettings
from shifts_core.database_url import parse_database_url

_TIMEOUT_S = 5


def keys_exist(settings: ApiSettings) -> bool:
    """Whether the database has a key, even a revoked one.

    Also true while the database does not answer: the service starts, refuses every request until it has read the
    keys, and then those without a key.
    """
    address = parse_database_url(settings.database_url).set(drivername="postgresql")
    url = address.render_as_string(hide_password=False)
    try:
        with psycopg.connect(url, connect_timeout=_TIMEOUT_S) as connection:
            connection.execute("SET ROLE shifts_api")
            row = connection.execute("SELECT EXISTS (SELECT FROM shifts_store.api_keys)").fetchone()
    except psycopg.Error:
        return True
    return row == (True,)
