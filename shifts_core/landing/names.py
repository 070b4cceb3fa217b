"""Names of files and URLs of landing zones: which are valid, which are hidden, how they are shown."""

import re
import unicodedata

from shifts_core.landing.errors import InvalidPath, LandingZoneError

SUFFIXES = (".csv", ".csv.gz", ".parquet")
MAX_NAME_BYTES = 512
MAX_PART_BYTES = 200
_BUCKET_URL = re.compile(
    r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(?P<prefix>.*?))?/?", re.DOTALL
)
_FORBIDDEN = re.compile(r"\\|^$|^\.|\.(?:tmp|part)$|%(?:00|25|2[EF]|5C)", re.IGNORECASE)
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Unicode categories of characters that people do not see, or that reverse the others."""


def parse_bucket_url(url: str) -> tuple[str, str]:
    """The bucket's name and the prefix of its objects, empty or with `/` at its end.

    Raises:
        LandingZoneError: the URL is not of the form `gs://bucket/prefix`.
    """
    match = _BUCKET_URL.fullmatch(url)
    if match is None or (match["prefix"] and not is_path(match["prefix"])):
        raise LandingZoneError(f"landing zone {url!r}: not of the form gs://bucket/prefix")
    return match["bucket"], f"{match['prefix']}/" if match["prefix"] else ""


def is_path(name: str) -> bool:
    """Whether a name is a relative path in normal form, in characters that UTF-8 can encode."""
    return is_text(name) and "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))


def check_path(name: str) -> None:
    """Refuses names that lead out of the zone.

    Raises:
        InvalidPath: the name is not a path below the zone.
    """
    if not is_path(name):
        raise InvalidPath(f"{name!r} is not a path below the landing zone")


def check_client_path(name: str) -> None:
    """Refuses names under which no client may name or upload a trip file.

    These rules are stricter than `check_path`: the name is visible, short, and ends in a suffix of trip files.

    Raises:
        InvalidPath: with the first rule that the name breaks.
    """
    if not is_text(name):
        raise InvalidPath("holds half a character")
    if name.startswith("/") or "://" in name:
        raise InvalidPath(f"{name[:200]!r} is outside the landing zone")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidPath(f"longer than {MAX_NAME_BYTES} bytes")
    if not _stays_below(name):
        raise InvalidPath(f"{name!r} is not the path of a file below the landing zone")
    if not name.lower().endswith(SUFFIXES):
        raise InvalidPath(f"{name!r} does not end in {', '.join(SUFFIXES)}")


def is_hidden(name: str) -> bool:
    """Whether a name says that its file is private, or still being written."""
    return any(part.startswith(".") for part in name.split("/")) or name.endswith((".tmp", ".part"))


def is_text(name: str) -> bool:
    """Whether UTF-8 can encode a name; other names cannot become partition keys."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    """A name of any bytes and characters in a form that can be shown and stored."""
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _stays_below(name: str) -> bool:
    """Whether no part leads elsewhere, in any notation: some programs read `．．／` as `../`."""
    if any(unicodedata.category(character) in _INVISIBLE for character in name):
        return False
    if any(len(part.encode()) > MAX_PART_BYTES for part in name.split("/")):
        return False
    folded = unicodedata.normalize("NFKC", name)
    return not any(_FORBIDDEN.search(part) for part in (*name.split("/"), *folded.split("/")))
