"""Reads the pages about deployment for the tests in this folder."""

import re

from tests.unit.deploy.files import read

PAGES = ("docs/deployment.md", "docs/gcp.md", "docs/scaling.md")


def commands(page: str) -> list[str]:
    """Returns the shell blocks of a page."""
    return [
        re.sub(r"^ {3}", "", block, flags=re.MULTILINE)
        for block in re.findall(r"^ *```sh\n(.+?)^ *```$", read(page), re.MULTILINE | re.DOTALL)
    ]


def calls(page: str) -> list[str]:
    """Returns the calls of the API in the shell blocks of a page."""
    blocks = "\n".join(commands(page))
    return re.findall(r"^curl (?:.*\\\n)*.*$", blocks, re.MULTILINE)
