"""Who sent a request, and what they may do; the request's state holds it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from shifts_api.web.endings import Ending
from shifts_api.web.errors import ApiError
from shifts_core.access.rights import Rights
from shifts_core.access.sessions import Session

_STATE = "identity"
ANONYMOUS = "no key"


@dataclass(frozen=True, eq=False)
class Identity:
    """The key of a request, or the absence of one while no key exists."""

    name: str
    """Of the key."""
    rights: Rights
    ended: Ending
    """Comes when the rights are no longer those of the key, as when it is revoked."""
    key_id: int | None = None
    """None for the key of the setting, and without a key."""
    prefix: str = ""
    session: Session | None = None
    """If the request has a cookie instead of the key."""
    session_ended: Ending | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether no key exists."""
        return not self.prefix

    @property
    def endings(self) -> list[Ending]:
        """What ends streams that were opened with it."""
        return [self.ended] if self.session_ended is None else [self.ended, self.session_ended]

    @property
    def seconds_left(self) -> float | None:
        """Until the session expires; None without one."""
        return None if self.session is None else max(self.session.expires_at - time.time(), 0.0)

    def require_regions(self, regions: Iterable[str | None]) -> None:
        """Accepts regions that the key may see; None stands for all regions.

        Raises:
            ApiError: 403, it may not see one of them.
        """
        for region in regions:
            if not self.rights.allows(region):
                what = "all regions" if region is None else f"region {region}"
                raise ApiError(403, f"This key is not for {what}")


def set_identity(scope_state: dict[str, object], identity: Identity) -> None:
    """Stores the identity in the state of a request's scope."""
    scope_state[_STATE] = identity


def identity_of(request: HTTPConnection) -> Identity:
    """The identity of a request below `/api/v1`."""
    found = request.scope["state"][_STATE]
    assert isinstance(found, Identity)
    return found
