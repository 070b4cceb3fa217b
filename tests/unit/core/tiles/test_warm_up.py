"""After the warm-up, no request waits for the compiler."""

import subprocess
import sys

_COUNT_AFTER_WARM_UP = """
import numpy as np
from numba.core.dispatcher import Dispatcher
from shifts_core.tiles import area_grid, area_kernels, area_members, byte_ranges, end_look_ups, end_states
from shifts_core.tiles import format, kernels
from shifts_core.tiles import offset_ranges, one_area_kernels, point_in_polygon, small_segments, straddling
from shifts_core.tiles.box import Box
from shifts_core.time_filter import TimeFilter
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.warm_up import compile_building, compile_counting
import shapely
from shifts_core.tiles.area_grid import grid_of
from tests.unit.core.tiles.counting import count_by_tiles, to_index
from tests.unit.core.tiles.random_trips import tiles_of
from tests.unit.core.tiles.test_area_count import WEEKS, count

def compiled():
    modules = (area_grid, area_kernels, area_members, byte_ranges, end_look_ups, end_states, format, kernels)
    modules += (offset_ranges, one_area_kernels, point_in_polygon, small_segments, straddling)
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
            tiles = {WEEKS[0]: tiles_of(ends)}
            for by_hour in (False, True):
                areas = [shapely.box(-0.1, -0.1, 0.2, ends[5, 1]), shapely.box(0.1, 0.1, 0.3, 0.4)]
                only = None if times is None else TimeFilter(("mon",))
                for grid in (grid_of(areas[:1]), grid_of(areas)):
                    count(to_index(tiles), tiles, grid, match, only, by_hour=by_hour)
assert compiled() == before, (before, compiled())
"""


def test_counting_compiles_nothing_after_the_warm_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_AFTER_WARM_UP], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
