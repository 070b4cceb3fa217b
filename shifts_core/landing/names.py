"""Which names are files of a landing zone, told before anything looks for one."""

import re
import unicodedata

from shifts_api.web.errors import ApiError

SUFFIXES = (".csv", ".csv.gz", ".parquet")
MAX_NAME_BYTES = 512
MAX_PART_BYTES = 200
_FORBIDDEN = re.compile(r"\\|^$|^\.|\.(?:tmp|part)$|%(?:00|25|2[EF]|5C)", re.IGNORECASE)
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Characters that a person does not see, or that turn the others round."""


def checked_name(name: str, field: str) -> str:
    """The name itself: a path with `/` between its parts, none of which leads elsewhere or is hidden.

    Args:
        name: what a client wrote.
        field: where it wrote it, for the message.

    Raises:
        ApiError: 400, it is no such name.
    """
    if not _is_text(name):
        raise ApiError(400, f"{field}: holds half a character")
    if name.startswith("/") or "://" in name:
        raise ApiError(400, f"{field}: {name[:200]!r} is outside the landing zone")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise ApiError(400, f"{field}: longer than {MAX_NAME_BYTES} bytes")
    if not _stays_below(name):
        raise ApiError(400, f"{field}: {name!r} is no path of a file below the landing zone")
    if not name.lower().endswith(SUFFIXES):
        raise ApiError(400, f"{field}: {name!r} does not end in {', '.join(SUFFIXES)}")
    return name


def _stays_below(name: str) -> bool:
    """Whether no part leads elsewhere, in any writing: some programs take `．．／` for `../`."""
    if any(unicodedata.category(character) in _UNSEEN for character in name):
        return False
    if any(len(part.encode()) > MAX_PART_BYTES for part in name.split("/")):
        return False
    folded = unicodedata.normalize("NFKC", name)
    return not any(_FORBIDDEN.search(part) for part in (*name.split("/"), *folded.split("/")))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
