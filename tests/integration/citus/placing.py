"""Trips of regions whose shards are on known workers."""

from sqlalchemy import make_url

from tests.citus import LocalNode
from tests.database import query
from tests.integration.loading.loading import Loader
from tests.integration.pipeline.harness import HEADER, row

REGIONS = [f"Region {number}" for number in range(8)]
"""Enough that no worker is without one."""


def trips(moment: str = "2018-05-28 08:00:00", regions: list[str] = REGIONS) -> bytes:
    """A file with a trip of each region."""
    return (HEADER + "".join(row(region, moment) for region in regions)).encode()


def regions_on(loader: Loader, worker: LocalNode) -> list[str]:
    """The loaded regions whose shards a worker holds."""
    found = query(
        loader.url,
        "SELECT r.name FROM shifts_store.regions r JOIN pg_dist_placement p"
        " ON p.shardid = get_shard_id_for_distribution_column('shifts_store.region_weeks', r.region_id)"
        " JOIN pg_dist_node n USING (groupid) WHERE n.nodeport = %s ORDER BY r.name",
        make_url(worker.url).port,
    )
    return [name for (name,) in found]
