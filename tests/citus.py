"""A Citus cluster for tests: its nodes, databases on all of them, and nodes that are killed and started again.

`SHIFTS_TEST_CITUS` is the URL of a database on the coordinator to which the workers are added. All nodes accept its
user and password. A node that is killed is on this machine: its own setting `data_directory` says where, and `pg_ctl`
of the newest PostgreSQL starts it again, as the owner of that folder.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from shifts_platform.postgres.programs import find_programs
from tests.database import database_answers, query

CITUS_URL = os.environ.get("SHIFTS_TEST_CITUS", "")
needs_citus = pytest.mark.skipif(not CITUS_URL, reason="SHIFTS_TEST_CITUS names no coordinator")
not_on_citus = pytest.mark.skipif(bool(CITUS_URL), reason="does not hold on a Citus cluster")

Address = tuple[str, int]


def nodes_of(url: str) -> list[Address]:
    """Host and port of the coordinator and of all workers of a database."""
    workers = query(
        url,
        "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid > 0 AND noderole = 'primary' ORDER BY nodeid",
    )
    return [_address(url), *workers]


def _address(url: str) -> Address:
    address = make_url(url)
    return address.host or "", address.port or 0


def is_waiting_for_lock(url: str) -> bool:
    """Whether some connection to a server of a database waits for a lock."""
    nodes = nodes_of(url) if CITUS_URL else [_address(url)]
    return any(query(at(url, node), "SELECT FROM pg_locks WHERE NOT granted") for node in nodes)


def at(url: str, node: Address, database: str | None = None) -> str:
    """The URL of a database on another node."""
    host, port = node
    address = make_url(url).set(host=host, port=port)
    return address.set(database=database or address.database).render_as_string(hide_password=False)


def create_cluster_database(url: str, nodes: Sequence[Address]) -> None:
    """Creates a database on all nodes, the coordinator first, and makes them one cluster."""
    address = make_url(url)
    for node in nodes:
        _admin(url, node, "CREATE DATABASE {}", address.database)
        with psycopg.connect(at(url, node), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION citus")
            connection.execute(
                "INSERT INTO pg_dist_authinfo (nodeid, rolename, authinfo) VALUES (0, %s, %s)",
                [address.username, f"password={address.password}"],
            )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT citus_set_coordinator_host(%s, %s)", nodes[0])
        for worker in nodes[1:]:
            connection.execute("SELECT citus_add_node(%s, %s)", worker)


@contextmanager
def cluster_database(name: str, template: str | None = None) -> Iterator[str]:
    """A database on all nodes of the cluster, dropped in the end; a copy of a frozen one, or empty."""
    url, nodes = (
        make_url(CITUS_URL).set(database=name).render_as_string(hide_password=False),
        nodes_of(CITUS_URL),
    )
    if template is None:
        create_cluster_database(url, nodes)
    for node in nodes if template is not None else ():
        _admin(url, node, "CREATE DATABASE {} TEMPLATE {}", name, template)
        # A copy has no settings of its own.
        _admin(url, node, "ALTER DATABASE {} SET citus.propagate_set_commands = local", name)
    yield url
    for node in nodes:
        _admin(url, node, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def freeze(name: str) -> None:
    """Ends all connections to a database for good: processes of the extension would keep it from being copied."""
    for node in nodes_of(CITUS_URL):
        _admin(CITUS_URL, node, "ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        terminate = f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
        _admin(CITUS_URL, node, terminate)


def _admin(url: str, node: Address, statement: str, *names: str | None) -> None:
    with psycopg.connect(at(url, node, "postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL(statement).format(*(sql.Identifier(name or "") for name in names)))


@dataclass(frozen=True)
class LocalNode:
    """A node on this machine that a test kills."""

    url: str
    data: Path

    @classmethod
    def of(cls, url: str) -> "LocalNode":
        """The node that a URL leads to, while it answers."""
        ((folder,),) = query(url, "SHOW data_directory")
        return cls(url, Path(folder))

    def kill(self) -> None:
        """Kills the server with all its processes, as a crash of its machine would."""
        server = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n")[0]))
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=30)

    def start(self) -> None:
        """Starts the server again, and waits until it has recovered."""
        if database_answers(self.url):
            return
        owner = self.data.stat()
        subprocess.run(
            [
                find_programs() / "pg_ctl",
                "-D",
                self.data,
                "-l",
                self.data.parent / "restarted.log",
                "-w",
                "start",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            user=owner.st_uid,
            group=owner.st_gid,
            extra_groups=[],
        )

    def restart(self) -> None:
        """Kills it and starts it again."""
        self.kill()
        self.start()
