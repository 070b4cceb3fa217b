"""Which errors of a load use up attempts, and which wait for the infrastructure."""

from errno import EDQUOT, EFBIG, EIO, ENOMEM, ENOSPC

import psycopg
import pytest

from shifts_core.landing.errors import DamagedTransfer, LandingZoneUnavailable
from shifts_pipeline.storage.load_errors import is_exhaustion, is_outage


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DiskFull(),
        psycopg.errors.OutOfMemory(),
        MemoryError(),
        DamagedTransfer("a.csv"),
        *[OSError(number, "no room") for number in (ENOSPC, EDQUOT, EFBIG, ENOMEM)],
    ],
    ids=repr,
)
def test_a_file_without_room_is_tried_a_few_times_and_is_no_outage(error: Exception) -> None:
    assert is_exhaustion(error)
    assert not is_outage(error)


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError(), OSError(EIO, "disk"), LandingZoneUnavailable("away")], ids=repr
)
def test_an_outage_is_not_held_against_the_file(error: Exception) -> None:
    assert is_outage(error)
    assert not is_exhaustion(error)


def test_an_error_of_the_code_is_neither() -> None:
    assert not is_outage(ValueError())
    assert not is_exhaustion(ValueError())
