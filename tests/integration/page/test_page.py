"""What a planner does on the page: draw an area, drop a file, choose a shift, follow a link."""

import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.api.pipeline import pipeline_of
from tests.integration.api.running import Service, running
from tests.integration.page.browser import DESKTOP, PHONE, Visit, chromium, eventually, visiting
from tests.integration.pipeline.harness import HEADER, Pipeline, row

ROUTES = [
    ((7.66, 45.04), (7.70, 45.08), 7),
    ((7.70, 45.05), (7.66, 45.07), 8),
    ((7.65, 45.09), (7.72, 45.06), 17),
]

DROP = """text => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([text], "more.csv", { type: "text/csv" }));
    for (const type of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
    }
}"""


def trips(days: list[str], riders: int = 6) -> str:
    """Commuters on three routes, on days of two weeks."""
    rows = [
        row(
            moment=f"2018-{day} {hour:02}:{10 + rider}:00",
            origin=(x0 + rider * 1e-4, y0),
            destination=(x1, y1 + rider * 1e-4),
        )
        for day in days
        for (x0, y0), (x1, y1), hour in ROUTES
        for rider in range(riders)
    ]
    return HEADER + "".join(rows)


@pytest.fixture(scope="module")
def service(
    database_url: str, dagster_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "landing").mkdir()
    with running(
        Service(database_url, dagster_database_url, folder / "landing", folder / "api.log")
    ) as found:
        yield found


@pytest.fixture(scope="module")
def pipeline(service: Service) -> Iterator[Pipeline]:
    """The pipeline of the service, which has made the shifts of commuters."""
    days = [f"05-{day}" for day in (14, 15, 16, 17, 18, 21, 22, 23, 24, 25)]
    with pipeline_of(service) as found:
        found.put("commuters.csv", trips(days))
        assert all(run.success for run in (*found.load(), *found.refresh(), *found.make_shifts()))
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def visit(service: Service, pipeline: Pipeline, browser: Browser) -> Iterator[Visit]:
    with visiting(browser, service.root) as found:
        wait_for_shifts(found.page)
        yield found


def wait_for_shifts(page: Page) -> None:
    expect(page.get_by_role("region", name="Shifts").get_by_role("row")).not_to_have_count(0, timeout=30_000)


def mean_of(page: Page) -> float | None:
    text = page.get_by_role("status", name="Mean trips a week").inner_text().strip()
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def draw_box(page: Page, share: float = 0.86) -> None:
    """Drags from one corner to the other, around the middle of the map."""
    page.get_by_role("button", name="Draw a box").click()
    box = page.get_by_role("region", name="Map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    dx, dy = share * box["width"] / 2, share * box["height"] / 2
    page.mouse.move(x - dx, y - dy)
    page.mouse.down()
    page.mouse.move(x, y, steps=5)
    page.mouse.move(x + dx, y + dy, steps=5)
    page.mouse.up()


def parameters_of(page: Page) -> dict[str, str]:
    """What the page's address says that it counts. Playwright's own `url` changes only while it is at work."""
    query = parse_qs(page.evaluate("location.search.slice(1)"))
    names = ("region", "bbox", "polygon", "match", "weekdays", "time")
    return {name: query[name][0] for name in names if name in query}


def wait_for_address(page: Page) -> None:
    """Waits until the address names the drawn box: it follows a drag with some delay."""
    corners = page.locator("#corners input")
    eventually(
        lambda: parameters_of(page),
        lambda found: found.get("bbox") == ",".join(each.input_value() for each in corners.all()),
    )


def expected_mean(service: Service, page: Page) -> float:
    """What the API answers for the area of the page's address."""
    answer = httpx.get(f"{service.api}/trips/weekly", params=parameters_of(page)).raise_for_status()
    return round(float(answer.json()["mean"]), 2)


def test_the_number_of_a_drawn_box_is_that_of_the_api_and_follows_its_filters(
    service: Service, visit: Visit
) -> None:
    page = visit.page
    draw_box(page)
    eventually(lambda: mean_of(page), lambda mean: mean == 90.0)
    wait_for_address(page)
    assert expected_mean(service, page) == 90.0
    page.get_by_role("radiogroup", name="Match").get_by_label("either end").check()
    page.get_by_role("checkbox", name="Monday").uncheck()
    eventually(lambda: mean_of(page), lambda mean: mean == 72.0)
    eventually(lambda: "weekdays" in parameters_of(page), bool)
    assert expected_mean(service, page) == 72.0
    table = page.get_by_role("region", name="Weekly trips").get_by_role("table")
    assert "2018-W20" in (table.text_content() or "")


def test_a_link_shows_the_same_to_someone_else(service: Service, browser: Browser, visit: Visit) -> None:
    draw_box(visit.page)
    wait_for_address(visit.page)
    eventually(lambda: mean_of(visit.page), lambda mean: mean == expected_mean(service, visit.page))
    with visiting(browser, visit.page.evaluate("location.href")) as other:
        eventually(lambda: mean_of(other.page), lambda mean: mean == mean_of(visit.page))
        assert parameters_of(other.page) == parameters_of(visit.page)


def test_clear_takes_the_area_away(visit: Visit) -> None:
    draw_box(visit.page)
    eventually(lambda: mean_of(visit.page), lambda mean: mean is not None)
    visit.page.get_by_role("button", name="Clear").click()
    eventually(lambda: mean_of(visit.page), lambda mean: mean is None)
    eventually(lambda: parameters_of(visit.page), lambda found: "bbox" not in found)


def test_a_polygon_is_counted_as_well(service: Service, visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Draw a polygon").click()
    box = page.get_by_role("region", name="Map").bounding_box()
    assert box is not None
    corners = [(0.07, 0.08), (0.93, 0.08), (0.93, 0.94), (0.07, 0.94), (0.07, 0.08)]
    for x, y in corners:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
        page.mouse.down()
        page.mouse.up()
    eventually(lambda: "polygon" in parameters_of(page), bool)
    mean = eventually(lambda: mean_of(page), lambda found: found is not None)
    assert expected_mean(service, page) == mean


def test_the_keyboard_alone_gives_an_area_and_a_number(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Draw a box").focus()
    page.keyboard.press("Enter")
    eventually(lambda: mean_of(page) is not None or "No trip" in page.inner_text("#mean-details"), bool)
    page.get_by_text("Corners in degrees").focus()
    page.keyboard.press("Enter")
    for name, degrees in (("West", "7.6"), ("South", "45"), ("East", "7.8"), ("North", "45.2")):
        page.get_by_label(name, exact=True).fill(degrees)
        page.get_by_label(name, exact=True).blur()
    eventually(lambda: mean_of(page), lambda mean: mean == 90.0)


def test_a_chosen_shift_shows_its_history(visit: Visit) -> None:
    page = visit.page
    shifts = page.get_by_role("region", name="Shifts")
    shifts.get_by_role("button", name="Shift 1:").click()
    expect(shifts.get_by_role("table").filter(has_text="History")).to_contain_text("2018-W21")
    eventually(lambda: "shift=" in page.evaluate("location.search"), bool)
    assert "%" in page.inner_text("#coverage")
    expect(page.locator("#fleet")).to_contain_text("vehicles for")


@pytest.mark.parametrize(
    ("size", "themes", "language"),
    [(DESKTOP, ("light", "dark"), "en-US"), (PHONE, ("dark", "light"), "es-ES")],
)
def test_axe_finds_nothing_in_any_theme_width_and_language(
    service: Service,
    pipeline: Pipeline,
    browser: Browser,
    size: tuple[int, int],
    themes: tuple[Any, Any],
    language: str,
) -> None:
    url = f"{service.root}/?region=Turin&bbox=7.6,45,7.8,45.2"
    with visiting(browser, url, size=size, theme=themes[0], language=language) as visit:
        page = visit.page
        expect(page.locator("#list tbody tr")).not_to_have_count(0, timeout=30_000)
        expect(page.locator("#mean")).to_have_text("90", timeout=30_000)
        page.locator("#list tbody button").first.click()
        expect(page.locator("#detail h3")).to_be_visible()
        for theme in themes:
            page.emulate_media(color_scheme=theme)
            assert visit.violations() == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_the_feed_resumes_after_the_service_was_away(service: Service, visit: Visit) -> None:
    connection = visit.page.locator("#connection")
    expect(connection).to_have_text("live")
    service.stop(signal.SIGKILL)
    expect(connection).to_have_text("connection lost, trying again")
    service.start()
    expect(connection).to_have_text("live again, nothing was missed", timeout=60_000)
    expect(visit.page.locator("#notice")).to_be_hidden()
    # The browser itself reports requests that failed.
    visit.complaints[:] = [text for text in visit.complaints if "Failed to load resource" not in text]


def test_a_dropped_file_shows_its_progress_its_rejects_and_the_new_number(
    service: Service, pipeline: Pipeline, visit: Visit
) -> None:
    page = visit.page
    draw_box(page)
    eventually(lambda: mean_of(page), lambda mean: mean == 90.0)
    page.evaluate("window.stays = true")
    text = trips([f"05-{day}" for day in (14, 15, 21, 22)], riders=3) + "Turin,nowhere,nowhere,yesterday,x\n"
    page.evaluate(DROP, text)
    live = page.get_by_role("region", name="Live")
    expect(live.get_by_role("progressbar", name="more.csv")).to_be_visible()
    # Playwright runs an event loop in this thread, and so does Dagster in its own.
    with ThreadPoolExecutor(1) as thread:
        runs = thread.submit(lambda: (*pipeline.load(), *pipeline.refresh())).result()
    assert all(run.success for run in runs)
    expect(live).to_contain_text("more.csv: 36 trips loaded, 1 rejected", timeout=60_000)
    expect(live.get_by_role("table")).to_contain_text("Turin,nowhere,nowhere,yesterday,x")
    eventually(lambda: mean_of(page), lambda mean: mean == 108.0)
    wait_for_address(page)
    assert expected_mean(service, page) == 108.0
    assert page.evaluate("window.stays")
