"""How far quotes of a CSV file may reach, and how they can be broken."""

MAX_QUOTED_BYTES = 4096
"""How far the closing quote of a field is searched: a forgotten quote then costs one line instead of the file."""

MAX_IGNORED_QUOTED_BYTES = 65536
"""The same for the fields of ignored columns."""

SOUND, NOT_CLOSED, TEXT_AFTER_QUOTE = range(3)
"""The states of a record's quotes."""
