"""The service runs from a folder with its sources, as in its image: nothing needs an installed package `shifts`."""

import subprocess
import sys

_START = """
import importlib.metadata as metadata
import sys

def no_package(name):
    raise metadata.PackageNotFoundError(name)

find = metadata.distribution
metadata.distribution = lambda name: no_package(name) if name == "shifts" else find(name)
from starlette.requests import Request
from shifts_api.__main__ import main
from shifts_api.web.conditional import entity_tag

scope = {"type": "http", "path": "/trips/weekly", "query_string": b"", "headers": [], "server": ("localhost", 80)}
print(entity_tag(Request(scope), "1"))
"""


def test_the_service_starts_and_tags_answers_without_the_packages_metadata() -> None:
    ran = subprocess.run([sys.executable, "-c", _START], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith('W/"')
