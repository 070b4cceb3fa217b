"""Errors that commands report to their users."""


class PlatformError(Exception):
    """An error that the user can fix; its message is one line with the cause and the remedy."""


def one_line(error: Exception) -> str:
    """Returns the message of an error without line breaks."""
    return " ".join(str(error).split())
