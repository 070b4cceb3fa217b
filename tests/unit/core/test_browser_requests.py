"""Rules on the headers of browsers' requests, host by host and origin by origin."""

import pytest

from shifts_core.browser_requests import (
    is_followed_link,
    is_from_other_site,
    is_loopback,
    is_own_origin,
    is_same_origin,
    is_served_host,
)

LOOPBACK = ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::1]"]
NAMES = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "rebind.localhost.",
    "0",
]
ADDRESSES = ["192.0.2.7", "192.0.2.7:8000", "[2001:db8::1]:8000", "0.0.0.0", "[::]"]
MALFORMED = [
    "",
    "[",
    "[::1",
    "a:b:c",
    "localhost:x",
    "localhost:8000@evil.example",
    "localhost, evil.example",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_is_served_under_any_rule(host: str) -> None:
    assert is_served_host(host, ())
    assert is_served_host(host, (), allow_addresses=True)


@pytest.mark.parametrize("host", [*NAMES, *MALFORMED])
def test_unknown_names_are_not_served_under_any_rule(host: str) -> None:
    assert not is_served_host(host, ())
    assert not is_served_host(host, ("example.org",), allow_addresses=True)


@pytest.mark.parametrize("host", ADDRESSES)
def test_addresses_are_served_only_where_they_are_allowed(host: str) -> None:
    assert not is_served_host(host, ())
    assert is_served_host(host, (), allow_addresses=True)


def test_configured_names_are_served_in_any_case_and_with_any_port() -> None:
    names = ("trips.example.org", "api")
    served = ("trips.example.org", "TRIPS.example.org:443", "api:8000")
    others = ("x.trips.example.org", "api.example.org", "example.org")
    assert all(is_served_host(host, names) for host in served)
    assert not any(is_served_host(host, names) for host in others)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("0.0.0.0", False), ("api.example", False)],
)
def test_loopback_means_this_machine_only(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("https://LOCALHOST:8000", "localhost:8000", True),
        ("http://localhost:5000", "localhost:8000", False),
        ("http://localhost", "localhost:8000", False),
        ("chrome-extension://localhost:8000", "localhost:8000", False),
        ("http://localhost:8000@evil.example", "localhost:8000", False),
        ("null", "localhost:8000", False),
        ("null", "", False),
        ("*", "localhost:8000", False),
        ("http://[", "localhost:8000", False),
        ("", "", False),
    ],
)
def test_an_own_origin_has_the_host_and_port_of_the_request(
    origin: str, host: str, *, expected: bool
) -> None:
    assert is_own_origin(origin, host) is expected


@pytest.mark.parametrize(
    ("site", "expected"),
    [("cross-site", True), ("same-site", True), ("same-origin", False), ("none", False), ("", True)],
)
def test_another_origin_of_the_same_site_is_another_site(site: str, *, expected: bool) -> None:
    assert is_from_other_site({"sec-fetch-site": site}) is expected
    assert not is_from_other_site({})


def test_only_a_top_level_navigation_is_a_followed_link() -> None:
    link = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert is_followed_link(link)
    assert not is_followed_link({**link, "sec-fetch-dest": "iframe"})
    assert not is_followed_link({**link, "sec-fetch-mode": "cors"})
    assert not is_followed_link({})


@pytest.mark.parametrize(
    ("headers", "is_same"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://shifts.example:8000"}, True),
        ({"origin": "https://shifts.example:8000"}, True),
        ({"origin": "http://shifts.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://shifts.example:8000", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, False),
    ],
)
def test_a_request_of_the_same_origin_says_so(headers: dict[str, str], is_same: bool) -> None:
    assert is_same_origin({"host": "shifts.example:8000", **headers}) is is_same
