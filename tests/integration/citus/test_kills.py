"""Workers and the coordinator are killed during loads and commits: a file is loaded whole, once, or not at all."""

import random
import threading

import psycopg
import pytest

from tests.citus import LocalNode, needs_citus
from tests.integration.citus.placing import REGIONS
from tests.integration.loading.loading import Loader
from tests.integration.loading.worker import ROWS_A_STEP, Worker
from tests.integration.pipeline.harness import HEADER, row
from tests.integration.platform.running import wait_until

pytestmark = [needs_citus, pytest.mark.timeout(900)]

STEPS = 6
KILLS = ["worker"] * 20 + ["coordinator"] * 10


def file_of(number: int) -> bytes:
    """Trips of all regions in a week; a file has one row more than the one before."""
    lines = "".join(
        row(REGIONS[n % len(REGIONS)], f"2018-05-28 {n % 24:02}:00:00")
        for n in range(STEPS * ROWS_A_STEP + number)
    )
    return (HEADER + lines).encode()


def committed(loader: Loader, rows: list[int]) -> int:
    """Rows of the version that is loaded: the last or the one before, whole in table, counts and ledger.

    A commit that was interrupted between the nodes is completed by the coordinator's own process.
    """

    def is_settled() -> bool:
        try:
            found = loader.counts().get("a.csv", (0, 0, 0))
        except psycopg.Error:
            return False
        return found in [(each,) * 3 for each in rows]

    wait_until(is_settled)
    return loader.counts().get("a.csv", (0, 0, 0))[0]


@pytest.mark.parametrize("seed", [20180528])
def test_killed_nodes_leave_every_file_whole_or_out(
    loader: Loader, nodes: list[LocalNode], seed: int
) -> None:
    rng = random.Random(seed)
    kills = rng.sample(KILLS, len(KILLS))
    rows = [0]
    for number, kind in enumerate(kills):
        if len(rows) == 1 or committed(loader, rows[-2:]) == rows[-1]:
            loader.put("a.csv", file_of(number))
            rows.append(STEPS * ROWS_A_STEP + number)
        victim = nodes[0] if kind == "coordinator" else rng.choice(nodes[1:])
        worker = Worker(loader, "a.csv", f"run {number}")
        for _ in range(rng.randint(0, STEPS + 1)):
            if not worker.step():
                break
        victim.restart()
        worker.end()
        committed(loader, rows[-2:])
    assert Worker(loader, "a.csv", "last").end() == 0
    assert committed(loader, rows[-1:]) == rows[-1]


def test_a_worker_that_dies_between_the_two_phases_of_a_commit_loses_nothing(
    loader: Loader, nodes: list[LocalNode]
) -> None:
    victim = nodes[1]
    for number in range(5):
        loader.put("a.csv", file_of(number))
        worker = Worker(loader, "a.csv", f"run {number}")
        died = threading.Event()

        def watch(died: threading.Event = died) -> None:
            with psycopg.connect(victim.url, autocommit=True) as connection:
                while not died.is_set():
                    if connection.execute("SELECT FROM pg_prepared_xacts").fetchone():
                        victim.kill()
                        return

        watcher = threading.Thread(target=watch)
        watcher.start()
        worker.end()
        died.set()
        watcher.join()
        victim.start()
        before = STEPS * ROWS_A_STEP + number - 1 if number else 0
        rows = [before, STEPS * ROWS_A_STEP + number]
        if committed(loader, rows) == rows[0]:
            assert Worker(loader, "a.csv", f"again {number}").end() == 0
        assert committed(loader, rows[1:]) == rows[1]
