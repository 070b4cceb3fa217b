"""Origins whose pages may use the service, and host names in its settings."""

import pytest
from pydantic import ValidationError

from shifts_api.access.browser_guard import is_own_or_listed
from shifts_api.settings import ApiSettings

DATABASE = "postgresql://nobody@localhost/none"


@pytest.mark.parametrize(
    "hosts", ["https://a.example", "a.example:443", "*", "*.example", "a b", "a/b", "[::1]", "-a"]
)
def test_invalid_host_names_stop_the_start(hosts: str) -> None:
    with pytest.raises(ValidationError, match="must be host names"):
        ApiSettings(
            database_url=DATABASE,
            dagster_database_url=DATABASE,
            landing_url="landing",
            api_hosts=hosts,
        )


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8000", True),
        ("http://localhost:5000", False),
        ("https://maps.example", True),
        ("https://maps.example.evil", False),
        ("*", False),
        ("null", False),
    ],
)
def test_an_origin_is_own_or_listed_exactly(origin: str, *, allowed: bool) -> None:
    assert is_own_or_listed(origin, "localhost:8000", ("*", "https://maps.example")) is allowed
