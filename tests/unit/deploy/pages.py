"""The pages on deployment, read for the tests of what they say."""

import re

from tests.unit.deploy.files import read

PAGES = ("docs/deployment.md", "docs/gcp.md", "docs/scaling.md")


def commands(page: str) -> list[str]:
    """The shell blocks of a page."""
    return [
        re.sub(r"^ {3}", "", block, flags=re.MULTILINE)
        for block in re.findall(r"^ *```sh\n(.+?)^ *```$", read(page), re.MULTILINE | re.DOTALL)
    ]


def calls(page: str) -> list[str]:
    """The calls of the API in them."""
    blocks = "\n".join(commands(page))
    return re.findall(r"^curl (?:.*\\\n)*.*$", blocks, re.MULTILINE)
