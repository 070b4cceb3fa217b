"""Events link to their run, or to the sensor or schedule that failed."""

import pytest
from pydantic import ValidationError

from shifts_api.feed.dagster_links import dagster_link
from shifts_api.settings import ApiSettings

UI = "https://dagster.example.org/ui"


def test_an_event_of_a_run_links_to_the_run() -> None:
    assert dagster_link(UI, "a/../b?", {"sensor": "landing_zone"}) == f"{UI}/runs/a%2F..%2Fb%3F"


def test_a_failed_tick_links_to_its_sensor_or_schedule() -> None:
    assert dagster_link(UI, None, {"sensor": "landing_zone"}) == f"{UI}/locations/shifts/sensors/landing_zone"
    assert dagster_link(UI, "", {"schedule": "nightly"}) == f"{UI}/locations/shifts/schedules/nightly"


def test_an_event_of_neither_has_no_link() -> None:
    assert dagster_link(UI, "", {"sensor": None, "rows": 1}) is None


def settings(**values: object) -> ApiSettings:
    return ApiSettings.model_validate(
        {
            "database_url": "postgresql:///a",
            "dagster_database_url": "postgresql:///b",
            "landing_url": "l",
            **values,
        }
    )


def test_the_ui_is_on_loopback_unless_its_address_is_set() -> None:
    assert settings(dagster_port=3999).dagster_base_url == "http://127.0.0.1:3999"
    assert settings(dagster_url="").dagster_base_url == "http://127.0.0.1:3000"
    assert settings(dagster_url=f"{UI}/").dagster_base_url == UI


@pytest.mark.parametrize(
    "url", ["dagster.example.org", "ftp://a", "javascript:alert(1)", "https://u:p@a", "http://a?b"]
)
def test_an_address_that_is_no_page_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="http or https URL"):
        settings(dagster_url=url)
