"""Names under which the service answers, and origins whose pages may use it: pure functions."""

import pytest
from pydantic import ValidationError

from shifts_api.access.browser_guard import is_own_or_listed, is_served_host
from shifts_api.settings import ApiSettings

DATABASE = "postgresql://nobody@localhost/none"


def _settings(host: str = "127.0.0.1", hosts: str = "") -> ApiSettings:
    given = {"database_url": DATABASE, "dagster_database_url": DATABASE, "landing_url": "landing"}
    return ApiSettings(api_host=host, api_hosts=hosts, **given)  # type: ignore[arg-type]


LOOPBACK = [
    "",
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "127.0.0.1:8000",
    "127.9.9.9",
    "[::1]:8000",
    "[::1]",
]
NAMES = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "rebind.localhost.",
    "0",
]
ADDRESSES = ["192.0.2.7", "192.0.2.7:8000", "[2001:db8::1]:8000"]


@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1"])
def test_bound_to_loopback_only_names_of_loopback_are_served(bound: str) -> None:
    settings = _settings(bound)
    assert all(is_served_host(host, settings) for host in LOOPBACK)
    assert not any(is_served_host(host, settings) for host in [*NAMES, *ADDRESSES, "[", "[::1", "a:b:c"])


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.0.2.7"])
def test_bound_beyond_loopback_addresses_are_served_and_names_are_not(bound: str) -> None:
    settings = _settings(bound)
    assert all(is_served_host(host, settings) for host in [*LOOPBACK, *ADDRESSES])
    assert not any(is_served_host(host, settings) for host in NAMES)


def test_names_that_are_set_are_served_whatever_their_case_and_port() -> None:
    settings = _settings("0.0.0.0", " Trips.example.org, api ,")
    assert all(
        is_served_host(host, settings) for host in ("trips.example.org", "TRIPS.example.org:443", "api:8000")
    )
    assert not any(
        is_served_host(host, settings) for host in ("x.trips.example.org", "api.example.org", "example.org")
    )


def test_the_name_the_service_is_bound_to_is_served() -> None:
    assert is_served_host("Trips.internal:8000", _settings("trips.internal"))


@pytest.mark.parametrize(
    "hosts", ["https://a.example", "a.example:443", "*", "*.example", "a b", "a/b", "[::1]", "-a"]
)
def test_what_is_no_host_name_is_refused_at_the_start(hosts: str) -> None:
    with pytest.raises(ValidationError, match="must be host names"):
        _settings(hosts=hosts)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("https://LOCALHOST:8000", "localhost:8000", True),
        ("http://localhost:5000", "localhost:8000", False),
        ("http://localhost", "localhost:8000", False),
        ("https://maps.example", "localhost:8000", True),
        ("https://maps.example.evil", "localhost:8000", False),
        ("null", "localhost:8000", False),
        ("null", "", False),
        ("*", "localhost:8000", False),
        ("http://[", "localhost:8000", False),
        ("", "", False),
    ],
)
def test_an_origin_is_the_services_own_or_listed_to_the_letter(
    origin: str, host: str, *, allowed: bool
) -> None:
    assert is_own_or_listed(origin, host, ("*", "https://maps.example")) is allowed
