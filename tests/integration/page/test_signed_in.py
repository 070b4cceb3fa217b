"""The page of a service with keys: signing in, what each role is offered, and what a key of one region never gets."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.integration.api.access_world import LATITUDES, SOURCE, World, world_of
from tests.integration.page.browser import Visit, chromium, visiting

UNAUTHORIZED = "error: Failed to load resource: the server responded with a status of 401 (Unauthorized)"
"""The browser itself says it of the requests before the sign-in, and of a wrong key."""
OF_MILAN = ("Milan", "navigli", str(LATITUDES["Milan"]))


@pytest.fixture(scope="module")
def world(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with world_of(database_url, dagster_database_url, tmp_path_factory.mktemp("signed_in")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def visit(world: World, browser: Browser) -> Iterator[Visit]:
    with visiting(browser, world.service.root, expected=UNAUTHORIZED) as found:
        yield found


def sign_in(page: Page, key: str) -> None:
    """With the keyboard alone."""
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    page.keyboard.type(key)
    page.keyboard.press("Enter")


def signed_in(visit: Visit, key: str) -> Page:
    """The page with the shifts of Turin."""
    sign_in(visit.page, key)
    visit.page.get_by_label("Region", exact=True).select_option("Turin")
    expect(visit.page.get_by_role("region", name="Shifts").get_by_role("row")).not_to_have_count(0)
    return visit.page


def test_the_page_asks_for_a_key_until_it_is_right_and_forgets_it_at_the_sign_out(
    world: World, visit: Visit
) -> None:
    page = visit.page
    sign_in(page, world.keys["wrong"])
    expect(page.get_by_role("alert").filter(has_text="key")).to_be_visible()
    page.get_by_label("API key").fill("")
    signed_in(visit, world.keys["reader"])
    page.reload()
    expect(page.get_by_role("region", name="Shifts").get_by_role("row")).not_to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()


def test_a_reader_of_one_region_gets_nothing_of_another(world: World, visit: Visit) -> None:
    received: list[str] = []

    def keep(response: Response) -> None:
        # The names of cities on the map are no secret.
        if "/page/" in response.url:
            return
        received.append(response.url)
        if "json" in response.headers.get("content-type", "") and response.ok:
            received.append(response.text())

    visit.page.on("response", keep)
    page = signed_in(visit, world.keys["reader of Turin"])
    expect(page.get_by_role("list").filter(has_text="turin.csv")).to_be_visible()
    page.get_by_role("region", name="Shifts").get_by_role("button", name="Shift 1:").click()
    expect(page.get_by_text("Trips by day")).to_be_visible()
    expect(page.locator("#coverage")).to_contain_text("%")
    assert any("turin.csv" in each for each in received)
    for text in (*received, page.content(), page.evaluate("location.href")):
        assert not [word for word in OF_MILAN if word in text]


@pytest.mark.parametrize(
    ("who", "uploads"), [("reader", 0), ("writer of Turin", 0), ("writer", 1), ("setting", 1)]
)
def test_uploads_are_offered_to_those_who_may(world: World, visit: Visit, who: str, uploads: int) -> None:
    page = signed_in(visit, world.keys[who])
    expect(page.get_by_role("button", name="Upload")).to_have_count(uploads)


def test_a_key_for_aggregates_sees_a_shift_without_its_trips(world: World, visit: Visit) -> None:
    page = signed_in(visit, world.keys["aggregates"])
    page.get_by_role("region", name="Shifts").get_by_role("button", name="Shift 1:").click()
    expect(page.get_by_text("riders expected")).to_be_visible()
    expect(page.get_by_text("Trips by day")).to_have_count(0)
    assert SOURCE not in page.content()
