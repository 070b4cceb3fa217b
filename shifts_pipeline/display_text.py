"""Text from files and names, made safe to show in logs, on terminals and in Markdown."""

import re

MAX_CHARS = 200
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str, max_chars: int = MAX_CHARS) -> str:
    """Returns the text on one line: control characters and surrogates replaced, cut after `max_chars` characters."""
    line = "".join(
        char if char.isprintable() else " " if char.isspace() else _REPLACEMENT for char in text[:max_chars]
    )
    return line + "…" if len(text) > max_chars else line


def markdown_code(text: str, max_chars: int = MAX_CHARS) -> str:
    """Returns the text as a Markdown code span that no character of the text can end."""
    line = printable(text, max_chars)
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"`{line}`"
