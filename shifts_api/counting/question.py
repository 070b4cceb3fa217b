"""A question's way through tiles that its box cuts: what is asked for, step by step, and what follows from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_api.counting.box import Box, Match, relate
from shifts_api.counting.count import Rows, count_by_codes, count_exactly, whole_offsets
from shifts_api.counting.intervals import Intervals, intervals
from shifts_api.counting.leaves import Leaves, read_leaves, rest_places
from shifts_api.counting.pieces import Pieces, batches, in_rows, plan

_STEP_BYTES = 6 * 1024**2
"""Of codes held at one time, and as much again on its way."""


@dataclass(frozen=True)
class CutTiles:
    """Tiles as the database tells of them."""

    trips: NDArray[np.int64]
    """Shape (tiles,)."""
    leaves: Sequence[bytes]
    """As stored."""


@dataclass(frozen=True)
class Step:
    """Some leaves to be counted together."""

    leaves: NDArray[np.int64]
    """Shape (n,)."""
    rows: Rows
    bounds: Intervals
    codes: Pieces


@dataclass(frozen=True)
class DoubtfulStep:
    """Leaves of which codes do not decide every trip, with what is known of their rows."""

    leaves: NDArray[np.int64]
    rows: Rows
    bounds: Intervals
    codes: NDArray[np.uint16]
    rests: Pieces
    """One for each row that has rests, in their order."""


class Question:
    """Counts step by step: the codes of one are counted while those of the next are brought."""

    def __init__(self, box: Box, match: Match, tiles: CutTiles) -> None:
        self._box, self._match, self._tiles = box, match, tiles
        self._leaves: Leaves = read_leaves(tiles.leaves)
        known = self._leaves.known
        relation = relate(known["low"], known["high"], box, match)
        self._cut = relation.cut
        whole = np.where(relation.inside, known["trips"], 0)
        self.counts = np.bincount(self._leaves.tiles, whole, len(tiles.trips)).astype(np.int64)
        """Shape (tiles,): matching trips counted so far."""
        self._doubtful: list[DoubtfulStep] = []

    def steps(self) -> Iterator[Step]:
        """What is to be counted by codes."""
        cut_leaves = np.flatnonzero(self._cut.any(axis=1))
        tiles = self._leaves.tiles[cut_leaves]
        sizes = np.bincount(tiles, self._cut[cut_leaves].sum(axis=1), len(self._tiles.trips)) * 2000
        for batch in batches(sizes.astype(np.int64), _STEP_BYTES):
            chosen = cut_leaves[np.searchsorted(tiles, batch.start) : np.searchsorted(tiles, batch.stop)]
            if len(chosen):
                yield self._step(chosen)

    def count(self, step: Step, codes: Sequence[bytes]) -> None:
        """Adds what the codes of a step decide, and notes the leaves of which they do not decide all."""
        rows = in_rows(codes)[step.codes.rows]
        found, doubtful = count_by_codes(step.rows, rows, step.bounds, self._match)
        found[doubtful] = 0
        np.add.at(self.counts, self._leaves.tiles[step.leaves], found)
        if doubtful.any():
            self._doubtful.append(self._open(step, np.flatnonzero(doubtful), rows))

    def doubtful_steps(self) -> Sequence[DoubtfulStep]:
        """What is left when all steps were counted."""
        return self._doubtful

    def count_exactly(self, step: DoubtfulStep, rests: Sequence[bytes]) -> None:
        """Adds the leaves of a doubtful step."""
        offsets = whole_offsets(step.codes, step.bounds.shifts, step.rests.rows, rests)
        found = count_exactly(step.rows, offsets, step.bounds, self._match)
        np.add.at(self.counts, self._leaves.tiles[step.leaves], found)

    def _step(self, chosen: NDArray[np.int64]) -> Step:
        # By coordinate first, as the codes lie.
        axes, at = np.nonzero(self._cut[chosen].T)
        leaves = chosen[at]
        known = self._leaves.known
        base, largest = self._leaves.keys(leaves, axes)
        bounds = intervals(self._box, axes, known["digits"][leaves, axes], base, largest)
        rows = np.full((len(chosen), 4), -1)
        rows[at, axes] = np.arange(len(axes))
        trips = known["trips"][chosen].astype(np.int64)
        pieces = plan(axes, self._leaves.tiles[leaves], self._leaves.numbers[leaves], self._tiles.trips)
        return Step(chosen, Rows(rows, trips, trips[at]), bounds, pieces)

    def _open(self, step: Step, at: NDArray[np.int64], codes: NDArray[np.uint16]) -> DoubtfulStep:
        leaves = step.leaves[at]
        of_leaf, axes = np.nonzero(step.rows.of_leaves[at] >= 0)
        old_rows = step.rows.of_leaves[at][of_leaf, axes]
        bounds = step.bounds.some(old_rows)
        rows = np.full((len(at), 4), -1)
        rows[of_leaf, axes] = np.arange(len(old_rows))
        trips = step.rows.leaf_trips[at]
        widths, starts = rest_places(self._leaves, leaves[of_leaf], axes)
        has = widths > 0
        pieces = Pieces(
            self._leaves.tiles[leaves[of_leaf]][has],
            starts[has],
            (widths * trips[of_leaf])[has],
            np.flatnonzero(has),
        )
        return DoubtfulStep(leaves, Rows(rows, trips, trips[of_leaf]), bounds, codes[old_rows], pieces)
