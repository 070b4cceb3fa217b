"""What stops a command: one line for the person who typed it, no stack trace."""


class PlatformError(Exception):
    """The command cannot go on; the message says why and what to do."""
