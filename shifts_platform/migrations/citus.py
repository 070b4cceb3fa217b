"""Whether Citus spreads a database over several servers."""

import psycopg


def is_distributed(connection: psycopg.Connection) -> bool:
    """Whether the database has the extension Citus and workers that hold shards."""
    if connection.execute("SELECT FROM pg_extension WHERE extname = 'citus'").fetchone() is None:
        return False
    workers = "SELECT FROM pg_dist_node WHERE groupid > 0 AND shouldhaveshards AND noderole = 'primary'"
    return connection.execute(workers).fetchone() is not None
