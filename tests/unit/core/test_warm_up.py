"""After the warm-up, neither whole numbers as parameters nor long files and bins wait for the compiler."""

import subprocess
import sys

_COUNT_AFTER_WARM_UP = """
import numpy as np
from numba.core.dispatcher import Dispatcher
from shifts_core.clustering import assign, compactness, grid, kd_tree, ordering
from shifts_core.clustering.clusters import find_clusters
from shifts_core.trips import parse_texts, read_parquet
from tests.unit.core.clustering.scenarios import random_town, to_degrees

def compiled():
    modules = (assign, compactness, grid, kd_tree, ordering, parse_texts)
    functions = [f for module in modules for f in vars(module).values() if isinstance(f, Dispatcher)]
    return {f.py_func.__qualname__: f.signatures for f in functions}

metres, times = random_town(11, 600)
trips = to_degrees(metres)
read_parquet.load_compiled()
find_clusters(trips, times)
ordering.bucket_rows(times, np.empty(600, np.int32))
before = compiled()
find_clusters(trips, times, eps_m=500, max_radius_m=500, window_s=1800)
many = ordering._BATCH_SIZE + 1
ordering.bucket_rows(np.arange(many, dtype=np.float64), np.empty(many, np.int32))
points, parsed = np.zeros((3, 4)), np.ones(3, np.bool_)
text, ends = np.frombuffer(b"POINT (1 1)" * 3, np.uint8), np.arange(0, 34, 11, np.int32)
numbers = np.zeros(3, np.int64)
numbers[:] = range(3)
numbers.setflags(write=False)
parse_texts.parse_points(text.copy(), ends, numbers, points[:, 0:2], parsed)
assert parsed.all()
assert compiled() == before, (before, compiled())
"""


def test_nothing_is_compiled_after_the_warm_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_AFTER_WARM_UP], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
