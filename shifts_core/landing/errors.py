"""Errors of landing zones. Callers decide what they mean for a request or a run."""


class LandingZoneError(Exception):
    """A file of the landing zone cannot be used; the message says why."""


class InvalidPath(LandingZoneError):  # noqa: N818  names what is invalid
    """A path does not name a file that the landing zone can hold. Only its author can fix it."""


class LandingZoneUnavailable(LandingZoneError):  # noqa: N818  named as the HTTP status is
    """The zone cannot be reached or refuses access: not the fault of any file, and worth another try."""


class LandingZoneFull(LandingZoneError):  # noqa: N818  a state, as the HTTP status is
    """The zone has no space left for a file."""


class DamagedTransfer(LandingZoneError):  # noqa: N818  an event
    """Other bytes arrived than are stored: worth a few more tries."""


class FileChanged(Exception):  # noqa: N818  an event, not a fault
    """The file was replaced or removed between listing and reading."""
