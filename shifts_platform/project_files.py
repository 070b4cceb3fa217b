"""Paths of the project's files: at the top of a checkout, or inside the installed package."""

from pathlib import Path

from shifts_platform.errors import PlatformError

_INSTALLED = Path(__file__).parent / "_files"
_CHECKOUT = Path(__file__).parent.parent


def project_file(name: str) -> Path:
    """Returns the path of a file or folder of the project.

    Raises:
        PlatformError: the installation is incomplete.
    """
    for place in (_CHECKOUT, _INSTALLED):
        if (place / name).exists():
            return place / name
    raise PlatformError(f"{name} is missing beside the installed package: install it again")
