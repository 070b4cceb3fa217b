"""What a role includes, and which regions and trips a key may see."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, get_args

Role = Literal["reader", "writer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each role includes those before it: readers read, writers also post trips and files, admins manage everything."""


@dataclass(frozen=True)
class Rights:
    """The rights of a key."""

    role: Role
    regions: frozenset[str] | None = None
    """Names; None for all regions, new ones included."""
    aggregates_only: bool = False
    """No single trip, no row of a file, no text that may quote one."""
    min_count: int | None = None
    """Statistics are counted over cells of at least so many trips, and other counts are withheld; None: exact."""

    @property
    def is_limited(self) -> bool:
        """Whether some rows of the database are not for it."""
        return self.regions is not None or self.aggregates_only or self.min_count is not None

    def includes(self, role: Role) -> bool:
        """Whether it has a role, or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def allows(self, region: str | None) -> bool:
        """Whether a region is among its regions; None stands for all regions."""
        return self.regions is None or region in self.regions

    def allows_all_of(self, regions: Collection[str]) -> bool:
        """Whether something that concerns these regions, and no other, may be seen; nothing that concerns none."""
        return self.regions is None or (bool(regions) and self.regions.issuperset(regions))

    def with_min_count(self, min_count: int | None) -> "Rights":
        """The rights where `SHIFTS_MIN_COUNT` is set: none to exact counts and single trips, except for admins."""
        if min_count is None or self.role == "admin":
            return self
        return replace(self, aggregates_only=True, min_count=min_count)


UNLIMITED = Rights("admin")
