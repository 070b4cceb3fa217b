"""The model: the current and past contents of each landing name, the posts, and which trips must or may count.

The rules: the newest version of a name in the landing zone counts for that name; a version that cannot be loaded
leaves the previous one in place; removing a file keeps its trips; the same bytes count once, under any
number of names. A version that was replaced before the platform finished it may or may not have been loaded.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.soak.boxes import Box, Match, weekly_counts
from tests.soak.contents import Content, Trips, join

_OLD_ENDING_TRUSTED_AFTER_S = 90.0
"""A restored version already has a final state from before; seconds until the platform must have noticed it."""


@dataclass(eq=False)
class LandingName:
    """One name below the landing zone."""

    name: str
    present: Content | None = None
    version: str | None = None
    """The landing zone's version of the present content; None while it is being written, or absent."""
    possible: set[Content | None] = field(default_factory=lambda: {None})
    """Contents that may count for the name in addition to the present one, or instead of it until it is settled."""
    settled: bool = True
    """The platform has finished all work on this name."""
    changes: int = 0
    came_back_at: float | None = None
    """When an older version was moved back, if it is the present one; `time.monotonic`."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def has_ended(self, status: str | None) -> bool:
        """Whether the ledger's state of the present version is the final state that its content requires."""
        if self.present is None or status is None:
            return False
        if self.present.is_broken:
            return status == "failed"
        if status == "duplicate" and self.came_back_at is not None:
            return time.monotonic() > self.came_back_at + _OLD_ENDING_TRUSTED_AFTER_S
        return status in ("loaded", "duplicate")

    def may_count(self) -> set[Content | None]:
        """Contents that may count for the name now; None means no content."""
        if self.present is None or self.present.is_broken:
            return self.possible
        return {self.present} if self.settled else {*self.possible, self.present}


@dataclass(eq=False)
class Post:
    """A posted list of trips."""

    key: str
    trips: Trips
    acknowledged: bool = False


@dataclass(frozen=True)
class Bounds:
    """Trips a week in a box: no fewer than `at_least`, no more than `at_most`, by week of `Trips.weeks`."""

    at_least: Counter[int]
    at_most: Counter[int]


@dataclass(frozen=True)
class Question:
    """A request for a region and box, and the model's knowledge when it was sent."""

    region: str
    box: Box
    match: Match
    certain: dict[Content, dict[str, int]]
    possible: set[Content]
    acknowledged: list[Post]
    begun: int


class Model:
    """Thread-safe; call `begin_change` before a change and `end_change` after it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._names: dict[str, LandingName] = {}
        self._holders: dict[Content, set[str]] = {}
        self._posts: list[Post] = []
        self._begun: list[Content] = []

    def name(self, name: str) -> LandingName:
        """The landing name, created if it is new."""
        with self._lock:
            return self._names.setdefault(name, LandingName(name))

    def names(self) -> list[LandingName]:
        """All names, including past ones."""
        with self._lock:
            return list(self._names.values())

    def unsettled(self) -> int:
        """The number of names with an unfinished file."""
        with self._lock:
            return sum(not name.settled and name.present is not None for name in self._names.values())

    def posts(self) -> list[Post]:
        """All posts that were ever sent."""
        with self._lock:
            return list(self._posts)

    def contents(self) -> list[Content]:
        """All contents that any name ever had."""
        with self._lock:
            return list(self._holders)

    def holders(self, content: Content) -> set[str]:
        """The names that ever had a content."""
        with self._lock:
            return set(self._holders.get(content, ()))

    def begin_change(self, name: LandingName, content: Content | None, *, comes_back: bool = False) -> None:
        """Records that the name is about to have a content, or none; its lock must be held.

        Args:
            name: whose content changes.
            content: what it is going to hold.
            comes_back: it is moved back as the version that it was before.
        """
        with self._lock:
            before = name.present
            if before is not None:
                if not before.is_broken:
                    name.possible = {before} if name.settled else {*name.possible, before}
                name.settled = name.settled and content is None
            elif content is not None:
                name.settled = False
            name.present, name.version = content, None
            name.came_back_at = time.monotonic() if comes_back else None
            name.changes += 1
            if content is not None:
                self._begun.append(content)
                self._holders.setdefault(content, set()).add(name.name)

    def end_change(self, name: LandingName, version: str | None) -> None:
        """Records that the change is complete."""
        with self._lock:
            name.version = version

    def changes(self) -> dict[str, int]:
        """The number of changes of every name, for `settle`."""
        with self._lock:
            return {name.name: name.changes for name in self._names.values()}

    def settle(self, stamps: dict[str, int], statuses: dict[tuple[str, str], str]) -> None:
        """Updates the model from the ledger.

        Args:
            stamps: `changes` from before the ledger was read.
            statuses: (name, version) → status, in one snapshot of the ledger.
        """
        with self._lock:
            for name in self._names.values():
                if (
                    name.settled
                    or name.present is None
                    or name.version is None
                    or stamps.get(name.name) != name.changes
                    or not name.has_ended(statuses.get((name.name, name.version)))
                ):
                    continue
                if not name.present.is_broken:
                    name.possible = {name.present}
                name.settled = True

    def post(self, post: Post) -> None:
        """Records a list that is about to be sent for the first time."""
        with self._lock:
            self._posts.append(post)

    def may_count(self) -> set[Content]:
        """Every content that may count now."""
        with self._lock:
            return {
                content
                for name in self._names.values()
                for content in name.may_count()
                if content is not None
            }

    def must_count(self) -> dict[Content, dict[str, int]]:
        """Every content that must count now, with the names that have it and the numbers of their changes."""
        with self._lock:
            certain: dict[Content, dict[str, int]] = {}
            for name in self._names.values():
                if name.settled and len(name.may_count()) == 1:
                    (content,) = name.may_count()
                    if content is not None:
                        certain.setdefault(content, {})[name.name] = name.changes
            return certain

    def ask(self, region: str, box: Box, match: Match) -> Question:
        """The model's knowledge before a request is sent."""
        with self._lock:
            acknowledged = [post for post in self._posts if post.acknowledged]
            return Question(
                region, box, match, self.must_count(), self.may_count(), acknowledged, len(self._begun)
            )

    def bounds(self, question: Question) -> Bounds:
        """The bounds of the answer after it was received."""
        with self._lock:
            still_certain = self.must_count()
            certain = [
                content
                for content, basis in question.certain.items()
                # One name that had it all the time is enough.
                if basis.items() & still_certain.get(content, {}).items()
            ]
            possible = question.possible | self.may_count() | set(self._begun[question.begun :])
            posts = list(self._posts)
        count = _Counting(question.region, question.box, question.match)
        return Bounds(
            count([c.trips for c in certain] + [post.trips for post in question.acknowledged]),
            count([c.trips for c in possible] + [post.trips for post in posts]),
        )


@dataclass(frozen=True)
class _Counting:
    region: str
    box: Box
    match: Match

    def __call__(self, parts: Sequence[Trips]) -> Counter[int]:
        return weekly_counts(join(list(parts)).of_region(self.region), self.box, self.match)
