"""A worker is away: the regions of the others are read and written, and the service says what is missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from tests.citus import LocalNode, needs_citus
from tests.integration.api.running import Service, posted, running, trip, wait_until
from tests.integration.citus.placing import REGIONS, regions_on, trips
from tests.integration.loading.loading import Loader

pytestmark = [needs_citus, pytest.mark.timeout(120)]

EVERYWHERE = {"nortest": "180,90", "southest": "-180,-90"}


@pytest.fixture
def service(loader: Loader, dagster_database_url: str, tmp_path: Path) -> Iterator[Service]:
    loader.put("a.csv", trips())
    loader.load("a.csv")
    with running(Service(loader.url, dagster_database_url, loader.landing, tmp_path / "api.log")) as found:
        yield found


def stats(service: Service, region: str) -> httpx.Response:
    return httpx.get(f"{service.api}/trips/stats", params={"region": region, **EVERYWHERE}, timeout=20)


def post(service: Service, region: str) -> httpx.Response:
    body: dict[str, Any] = posted(
        # Every node holds all names of sources: a new one would need all of them.
        trip(region=region, timestamp="2018-05-28 09:00:00", source="baba_car")
    )
    return httpx.post(f"{service.api}/trips", json=body, timeout=20)


def test_regions_on_a_living_worker_are_read_and_written_while_another_is_away(
    service: Service, loader: Loader, nodes: list[LocalNode]
) -> None:
    _, first, second = nodes
    lost, kept = regions_on(loader, first), regions_on(loader, second)
    assert sorted([*lost, *kept]) == REGIONS
    assert lost
    assert kept
    assert httpx.get(f"{service.root}/ready").json()["workers"] == "ok"
    first.kill()
    for region in kept:
        assert stats(service, region).json() == {"mean": 1.0}
        assert post(service, region).status_code == 201
        assert stats(service, region).json() == {"mean": 2.0}
    for region in lost:
        for answer in (stats(service, region), post(service, region)):
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) > 0
    away = f"not reachable: 127.0.0.1:{make_url(first.url).port}"
    ready = httpx.get(f"{service.root}/ready")
    assert (ready.status_code, ready.json()["workers"]) == (200, away)
    assert httpx.get(f"{service.root}/health").json() == {"status": "ok", "workers": away}
    first.start()
    wait_until(lambda: httpx.get(f"{service.root}/ready").json()["workers"] == "ok", 20)
    for region in lost:
        assert post(service, region).status_code == 201
        assert stats(service, region).json() == {"mean": 2.0}


def test_a_file_of_living_regions_is_loaded_while_a_worker_is_away(
    loader: Loader, nodes: list[LocalNode]
) -> None:
    loader.put("a.csv", trips())
    loader.load("a.csv")
    kept = regions_on(loader, nodes[2])
    nodes[1].kill()
    loader.put("b.csv", trips("2018-05-29 08:00:00", kept))
    assert loader.load("b.csv").record.status == "loaded"
    nodes[1].start()
    assert loader.counts() == {"a.csv": (len(REGIONS),) * 3, "b.csv": (len(kept),) * 3}
