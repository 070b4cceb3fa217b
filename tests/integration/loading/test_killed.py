"""Workers, connections and the database are killed at any moment: a file is loaded whole, once, or not at all."""

import random

import pytest

from tests.integration.loading.loading import Loader
from tests.integration.loading.server import Server
from tests.integration.loading.worker import ROWS_A_STEP, Worker
from tests.unit.core.trips.malicious import damaged_lines
from tests.unit.core.trips.reading import HEADER

NAMES = ("a.csv", "b.csv.gz")
STEPS = 12
KILLS = 18


class Versions:
    """What was dropped under each name, and that the database holds the old or the new, never a part."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._rows = {name: [0] for name in NAMES}
        self._is_open = dict.fromkeys(NAMES, False)

    def drop_next(self, name: str, seed: int) -> None:
        """Another version, if the last one is in."""
        if self._is_open[name]:
            return
        rows = STEPS * ROWS_A_STEP - len(self._rows[name])
        self._loader.put(name, HEADER + damaged_lines(seed, rows, 0))
        # Some days of its months do not exist.
        self._rows[name].append(rows)
        self._is_open[name] = True

    def check(self) -> None:
        """Every file is there in its old version or in its new one, in table, books and ledger alike."""
        counts = self._loader.counts()
        rejects = dict(
            self._loader.query(
                "SELECT f.name, count(*) FROM shifts.rejects r JOIN shifts.files f USING (file_id) GROUP BY f.name"
            )
        )
        for name, (in_table, booked, in_ledger) in counts.items():
            assert in_table == booked == in_ledger
            present = in_table + rejects.get(name, 0)
            assert present in self._rows[name][-2:], f"{name}: {present} of {self._rows[name]}"
            self._is_open[name] = present != self._rows[name][-1]

    def all_in(self) -> bool:
        return not any(self._is_open.values())


@pytest.mark.parametrize("seed", [20180528])
def test_killed_workers_connections_and_servers_leave_every_file_whole_or_out(
    server: Server, server_loader: Loader, seed: int
) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    versions = Versions(server_loader)
    for kill in range(KILLS):
        for name in NAMES:
            versions.drop_next(name, seed + kill)
        name = rng.choice(NAMES)
        workers = [Worker(server_loader, name, f"run {kill}.{n}") for n in range(rng.randint(1, 2))]
        for _ in range(rng.randint(0, STEPS + 1)):
            if not workers[0].step():
                break
        victim = rng.choice(["worker", "worker", "connection", "server", "restart"])
        if victim == "worker":
            workers[0].kill()
        elif victim == "server":
            server.kill()
        elif victim == "restart":
            server.restart()
        else:
            server.kill_connection(workers[0].backend)
        for worker in workers[victim == "worker" :]:
            worker.end()
        versions.check()
    for name in NAMES:
        assert Worker(server_loader, name, "last").end() == 0
    versions.check()
    assert versions.all_in()
