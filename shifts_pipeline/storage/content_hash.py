"""The hash of a landed file's bytes, by which files of the same bytes are found."""

import hashlib

from shifts_core.landing.zone import LandedFile, LandingZone

_HASHED_BYTES = 1 << 20


def sha256_of(file: LandedFile, zone: LandingZone) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        FileChanged, LandingZoneError: as `LandingZone.open`.
    """
    sha256 = hashlib.sha256()
    with zone.open(file) as stream:
        while data := stream.read(_HASHED_BYTES):
            sha256.update(data)
    return sha256.hexdigest()
