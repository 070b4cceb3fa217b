"""Errors of the landing zone become statuses in one place."""

import pytest

from shifts_api.web.errors import ApiError
from shifts_api.web.uploads import landing_errors
from shifts_core.landing.errors import (
    InvalidPath,
    LandingZoneError,
    LandingZoneFull,
    LandingZoneUnavailable,
)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InvalidPath("longer than 512 bytes"), 400, "name: longer than 512 bytes"),
        (LandingZoneFull("x"), 507, "The landing zone is full"),
        (LandingZoneUnavailable("secret"), 503, "The landing zone is away, try again"),
        (LandingZoneError("secret"), 503, "The landing zone is away, try again"),
    ],
)
def test_each_error_has_a_status(error: LandingZoneError, status: int, message: str) -> None:
    with pytest.raises(ApiError) as caught, landing_errors("name"):
        raise error
    assert (caught.value.status, caught.value.message) == (status, message)
