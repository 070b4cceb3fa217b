"""The list of routes at the top of `app.py` is complete."""

import re

from shifts_api import app as module
from shifts_api.settings import ApiSettings

DATABASE = "postgresql://nobody@localhost/none"


def test_app_lists_every_route() -> None:
    settings = ApiSettings(
        database_url=DATABASE, dagster_database_url=DATABASE, landing_url="landing", api_port=8000
    )
    paths = module.create_app(settings).openapi()["paths"]
    documented = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    listed = set(re.findall(r"^(GET|POST|PUT|DELETE|WS) +(\S+)", module.__doc__ or "", re.MULTILINE))
    assert listed == documented | {("WS", "/api/v1/trips/live")}
