"""Whose fault a failed load is: the machine's for now, the machine's for this file, or the code's."""

from errno import EDQUOT, EFBIG, ENOMEM, ENOSPC

import psycopg

from shifts_core.landing.errors import DamagedTransfer, LandingZoneUnavailable

MAX_ATTEMPTS = 5
"""After so many tries that may have failed because of the file, it counts as failed."""

_TOO_LITTLE_ROOM = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory, MemoryError, DamagedTransfer)
_NO_ROOM = {ENOSPC, EDQUOT, EFBIG, ENOMEM}
_OUTAGES = (psycopg.OperationalError, OSError, LandingZoneUnavailable)


def is_exhaustion(error: BaseException) -> bool:
    """Whether the machine has no room for this file, or damaged it on its way: a few more tries may help."""
    return isinstance(error, _TOO_LITTLE_ROOM) or (isinstance(error, OSError) and error.errno in _NO_ROOM)


def is_outage(error: BaseException) -> bool:
    """Whether database, landing zone or disk are unavailable for every file: tried again until they are back."""
    return isinstance(error, _OUTAGES) and not is_exhaustion(error)
