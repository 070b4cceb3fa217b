"""The limits of a record that the compiled reader and the careful one must agree on."""

MAX_FIELD_BYTES = 1024
"""Of a field that is read; others may be as long as they like."""

MAX_QUOTED_BYTES = 4096
"""How far a closing quote is looked for in a field that is read: a forgotten quote costs one line, not the file."""

MAX_IGNORED_QUOTED_BYTES = 65536
"""The same for the columns that nobody reads."""

ORIGIN, DESTINATION, DATETIME, REGION, SOURCE, IGNORED = range(6)
"""What a column is."""

COLUMN_NAMES = ("origin_coord", "destination_coord", "datetime", "region", "datasource")
"""By the numbers above."""

NOT_CLOSED, TEXT_AFTER_QUOTE = 1, 2
"""How a record's quotes can be broken; 0 if they are not."""
