"""Limits wrong keys per address; keys that were right from the address before go on working."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

MAX_FAILURES = 10
WINDOW_S = 60.0
_MAX_ADDRESSES = 10_000
_MAX_KNOWN_KEYS = 100


@dataclass
class _Address:
    failures: deque[float] = field(default_factory=deque)
    known: set[str] = field(default_factory=set)
    """Prefixes of keys that were right."""


class FailedAttempts:
    """Counts wrong keys of each address within a minute.

    All clients behind a proxy share its address. Therefore a block leaves out the keys that were used from there
    before: one client with a wrong key does not stop the others.
    """

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, _Address] = OrderedDict()

    def blocked_for(self, client: str, prefix: str | None, now: float) -> float:
        """Seconds until the address may try again; 0 if it may now.

        Args:
            client: address.
            prefix: of the key if it is right, else None.
            now: by a monotonic clock.
        """
        address = self._addresses.get(_group(client))
        if address is None or prefix in address.known:
            return 0.0
        while address.failures and address.failures[0] <= now - WINDOW_S:
            address.failures.popleft()
        return address.failures[0] + WINDOW_S - now if len(address.failures) >= MAX_FAILURES else 0.0

    def record_failure(self, client: str, now: float) -> None:
        """Counts a wrong key."""
        self._touch(client).failures.append(now)

    def record_success(self, client: str, prefix: str) -> None:
        """Remembers that a key was right."""
        address = self._touch(client)
        if prefix not in address.known:
            if address.failures:
                # A key that was added a moment ago may have counted as a wrong one first.
                address.failures.pop()
            if len(address.known) < _MAX_KNOWN_KEYS:
                address.known.add(prefix)

    def _touch(self, client: str) -> _Address:
        group = _group(client)
        address = self._addresses.setdefault(group, _Address())
        self._addresses.move_to_end(group)
        if len(self._addresses) > _MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        return address


def _group(client: str) -> str:
    """An IPv6 customer has a whole network of addresses."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(address.packed[:8].hex())
    return client
