"""What the commands report to people."""


class PlatformError(Exception):
    """Something a person can fix; its message is one line and names the cause and the remedy."""


def one_line(error: Exception) -> str:
    """The message of an error without its line breaks."""
    return " ".join(str(error).split())
