"""Classifies the errors of a load: infrastructure is down, no room for this file, or the file or code is at fault."""

from errno import EDQUOT, EFBIG, ENOMEM, ENOSPC

import psycopg

from shifts_core.landing.errors import DamagedTransfer, LandingZoneUnavailable

MAX_ATTEMPTS = 5
"""Attempts after which a file is failed, if the attempts may have failed because of the file."""

INFRASTRUCTURE_ERRORS = (psycopg.OperationalError, OSError, LandingZoneUnavailable)
_EXHAUSTION_ERRORS = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory, MemoryError, DamagedTransfer)
_EXHAUSTION_CODES = {ENOSPC, EDQUOT, EFBIG, ENOMEM}


def is_exhaustion(error: BaseException) -> bool:
    """Whether there is no room for this file, or it was damaged in transfer: a limited number of retries may help."""
    return isinstance(error, _EXHAUSTION_ERRORS) or (
        isinstance(error, OSError) and error.errno in _EXHAUSTION_CODES
    )


def is_outage(error: BaseException) -> bool:
    """Whether database, landing zone or disk are unavailable for every file: retry until they are available."""
    return isinstance(error, INFRASTRUCTURE_ERRORS) and not is_exhaustion(error)
