"""After the warm-up, no request waits for the compiler."""

import subprocess
import sys

_COUNT_AFTER_WARM_UP = """
import numpy as np
from numba.core.dispatcher import Dispatcher
from shifts_core.tiles import byte_ranges, format, kernels, offset_ranges, small_segments, straddling
from shifts_core.tiles.box import Box
from shifts_core.time_filter import TimeFilter
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.warm_up import compile_building, compile_counting
from tests.unit.core.tiles.counting import count_by_tiles

def compiled():
    modules = (byte_ranges, format, kernels, offset_ranges, small_segments, straddling)
    functions = [f for module in modules for f in vars(module).values() if isinstance(f, Dispatcher)]
    return {f.py_func.__qualname__: f.signatures for f in functions}

compile_building()
compile_counting()
before = compiled()
ends = np.random.default_rng(1).normal(0, 1, (5_000, 4))
for west, east in ((-0.1, 0.2), (0.2, -0.1), (ends[7, 0], ends[9, 2])):
    for match in ("both", "origin", "destination", "any"):
        for times in (None, TimeFilter(("mon",)).minute_ranges()):
            count_by_tiles(ends, Box(west, ends[5, 1], east, 1.0), match, times)
assert compiled() == before, (before, compiled())
"""


def test_counting_compiles_nothing_after_the_warm_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_AFTER_WARM_UP], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
