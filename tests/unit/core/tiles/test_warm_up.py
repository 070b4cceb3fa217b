"""After the warm-up, no request waits for the compiler."""

import subprocess
import sys

_COUNT_AFTER_WARM_UP = """
import numpy as np
from numba.core.dispatcher import Dispatcher
from shifts_core.tiles import kernels
from shifts_core.tiles.box import Box
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.warm_up import compile_kernels
from tests.unit.core.tiles.counting import count_by_tiles

def compiled():
    return {name: len(f.signatures) for name, f in vars(kernels).items() if isinstance(f, Dispatcher)}

compile_kernels()
before = compiled()
ends = np.random.default_rng(1).normal(0, 1, (5_000, 4))
for west, east in ((-0.1, 0.2), (0.2, -0.1), (ends[7, 0], ends[9, 2])):
    for match in ("both", "origin", "destination", "any"):
        count_by_tiles(ends, Box(west, ends[5, 1], east, 1.0), match)
assert compiled() == before, (before, compiled())
"""


def test_counting_compiles_nothing_after_the_warm_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_AFTER_WARM_UP], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
