"""Starts a three-node Citus cluster on loopback: `python -m tests.citus_cluster FOLDER` serves until interrupted.

It needs Citus for the newest PostgreSQL on this machine, and prints the URL for `SHIFTS_TEST_CITUS`.
"""

import json
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from shifts_platform.ports import free_port
from shifts_platform.postgres.programs import find_programs, preloaded_libraries
from shifts_platform.postgres.server import SUPERUSER, EmbeddedPostgres
from tests.citus import create_cluster_database
from tests.database import allow_other_users, query

WORKERS = 2
DATABASE = "citus"
_SETTINGS = {
    # Committed data survives the death of processes, which is what tests kill.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "max_prepared_transactions": "200",
    "max_worker_processes": "64",
    "citus.enable_statistics_collection": "off",
    # A commit that a kill interrupted is completed soon.
    "citus.recover_2pc_interval": "2s",
    "citus.node_connection_timeout": "5s",
    "citus.node_conninfo": "sslmode=disable",
}
_LOGIN = f"""\
# The superuser logs in with a password, also from node to node; other roles log in without.
host all {SUPERUSER} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


@contextmanager
def citus_cluster(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Starts a coordinator and two workers, and stops them; yields the URL of a database in which they are one."""
    allow_other_users(folder)
    libraries = ",".join(["citus", *preloaded_libraries(find_programs())])
    extra = {"shared_preload_libraries": libraries, **_SETTINGS, **(settings or {})}
    servers = []
    password = secrets.token_urlsafe(24)
    for name in ("coordinator", *(f"worker{number}" for number in range(1, WORKERS + 1))):
        identity = folder / name / "identity.json"
        if identity.exists():
            password = json.loads(identity.read_text())["password"]
        else:
            identity.parent.mkdir()
            identity.write_text(json.dumps({"port": free_port(), "password": password}))
            identity.chmod(0o600)
        servers.append(EmbeddedPostgres(folder / name, extra_settings=extra))
    try:
        for server in servers:
            server.prepare()
            (server.folder / "data/pg_hba.conf").write_text(_LOGIN)
            server.start(server.folder.with_suffix(".log"))
        url = servers[0].url(DATABASE)
        if not query(servers[0].url("postgres"), "SELECT FROM pg_database WHERE datname = %s", DATABASE):
            ports = [make_url(server.url(DATABASE)).port or 0 for server in servers]
            create_cluster_database(url, [("127.0.0.1", port) for port in ports])
        yield url
    finally:
        for server in servers:
            # Not `stop`: a test may have killed it and started it again.
            if (process := server.find_orphan()) is not None:
                process.send_signal(signal.SIGINT)
                process.wait(60)


if __name__ == "__main__":
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    path = Path(sys.argv[1]).absolute()
    path.mkdir(parents=True, exist_ok=True)
    with citus_cluster(path) as found:
        # A server that a test kills must not stay a zombie, which keeps the next one from starting.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print(found, flush=True)
        stopped.wait()
