"""`shifts migrate` distributes tables, the first time and after an upgrade, and what is in them stays."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shifts_platform.migrations.databases import migrate_trips_database
from tests.citus import CITUS_URL, cluster_database, needs_citus, nodes_of
from tests.database import query
from tests.integration.citus.placing import REGIONS, trips
from tests.integration.loading.loading import Loader
from tests.posted_trip import post_trip

pytestmark = needs_citus


def placed(url: str) -> list[tuple[str, int]]:
    """Kinds of tables that Citus knows, without partitions."""
    return query(
        url,
        "SELECT partmethod::text || repmodel::text, count(*) FROM pg_dist_partition"
        " JOIN pg_class ON oid = logicalrelid WHERE NOT relispartition GROUP BY 1 ORDER BY 1",
    )


@pytest.fixture
def empty_database() -> Iterator[str]:
    with cluster_database(f"migrated_{os.getpid()}") as url:
        yield url


def test_tables_with_rows_are_distributed_when_workers_are_added(empty_database: str, landing: Path) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "SELECT citus_remove_node(nodename, nodeport) FROM pg_dist_node ORDER BY groupid DESC"
        )
    migrate_trips_database(empty_database)
    assert placed(empty_database) == []
    loader = Loader(empty_database, landing)
    loader.put("a.csv", trips())
    loader.load("a.csv")
    nodes = nodes_of(CITUS_URL)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("SELECT citus_set_coordinator_host(%s, %s)", nodes[0])
        for worker in nodes[1:]:
            connection.execute("SELECT citus_add_node(%s, %s)", worker)
    assert "trips_db/placement" in migrate_trips_database(empty_database)
    assert placed(empty_database) == [("hs", 13), ("nt", 2)]
    assert loader.counts() == {"a.csv": (len(REGIONS),) * 3}
    loader.put("b.csv", trips("2018-06-04 08:00:00"))
    assert loader.load("b.csv").record.status == "loaded"
    assert migrate_trips_database(empty_database) == []


def test_an_upgrade_leaves_functions_that_can_be_planned(loader: Loader) -> None:
    loader.put("a.csv", trips())
    loader.load("a.csv")
    loader.execute("UPDATE public.shifts_migrations SET checksum = '' WHERE strpos(name, 'functions') > 0")
    assert migrate_trips_database(loader.url) == ["trips_db/functions and views"]
    loader.execute(post_trip("NULL", "'x'"))
    loader.put("a.csv", trips("2018-06-04 08:00:00"))
    loader.load("a.csv")
    assert loader.counts()["a.csv"] == (len(REGIONS),) * 3
    assert query(loader.url, "SELECT sum(trips)::integer FROM shifts.weekly") == [(len(REGIONS) + 1,)]
