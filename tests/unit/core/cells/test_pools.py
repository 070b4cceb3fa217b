"""Pools of small files: each has enough trips, and a further file changes none that exists."""

from hypothesis import given
from hypothesis import strategies as st

from shifts_core.cells.pools import FileTrips, assign_pools

FILES = st.dictionaries(st.integers(1, 100), st.integers(1, 15), max_size=20)
COUNTS = st.integers(1, 12)


def totals(trips: dict[int, int], pools: dict[int, int | None]) -> dict[int | None, int]:
    found: dict[int | None, int] = {}
    for file, pool in pools.items():
        found[pool] = found.get(pool, 0) + trips[file]
    return found


@given(FILES, FILES, COUNTS)
def test_further_files_only_add_whole_pools(earlier: dict[int, int], later: dict[int, int], k: int) -> None:
    # Ids do not tell the order in which files were loaded.
    later = {file: trips for file, trips in later.items() if file not in earlier}
    before = assign_pools({file: FileTrips(trips, None) for file, trips in earlier.items()}, k)
    both = earlier | later
    after = assign_pools({file: FileTrips(trips, before.get(file)) for file, trips in both.items()}, k)
    assert all(after[file] == pool for file, pool in before.items() if pool is not None)
    for found, trips in ((before, earlier), (after, both)):
        assert found.keys() == trips.keys()
        sums = totals(trips, found)
        assert sums.pop(None, 0) < k
        assert all(total >= k for total in sums.values())


@given(FILES, st.data(), COUNTS, COUNTS)
def test_pools_that_lost_files_or_have_another_k_are_large_enough(
    trips: dict[int, int], data: st.DataObject, old_k: int, k: int
) -> None:
    before = assign_pools({file: FileTrips(count, None) for file, count in trips.items()}, old_k)
    left = {file: count for file, count in trips.items() if data.draw(st.booleans())}
    after = assign_pools({file: FileTrips(count, before[file]) for file, count in left.items()}, k)
    sums = totals(left, after)
    assert sums.pop(None, 0) < k
    assert all(total >= k for total in sums.values())
