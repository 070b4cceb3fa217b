"""What adorns a run: pictures, metadata, descriptions. A failure here is a warning, never a failed run."""

import logging
import re
from collections.abc import Callable

import dagster as dg

MAX_CHARS = 200
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def optional_metadata(
    log: logging.Logger, make: Callable[[], dict[str, dg.MetadataValue]]
) -> dict[str, dg.MetadataValue]:
    """The metadata that `make` returns, or none and a warning in the run's log when it raises."""
    try:
        return make()
    except Exception:
        log.warning("optional metadata is left out", exc_info=True)
        return {}


def printable(text: str, max_chars: int = MAX_CHARS) -> str:
    """The text on one line: control characters and surrogates replaced, cut after `max_chars` characters."""
    line = "".join(
        char if char.isprintable() else " " if char.isspace() else _REPLACEMENT for char in text[:max_chars]
    )
    return line + "…" if len(text) > max_chars else line


def markdown_code(text: str, max_chars: int = MAX_CHARS) -> str:
    """The text as a Markdown code span that nothing inside can end."""
    line = printable(text, max_chars)
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"`{line}`"
