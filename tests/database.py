"""Whether a database server accepts connections."""

import psycopg


def database_answers(url: str) -> bool:
    """Whether the database can be reached now."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True
