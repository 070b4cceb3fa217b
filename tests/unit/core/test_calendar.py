"""ISO weeks: one parser for all parameters of the API and all options of the command."""

from datetime import date

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shifts_api.web.parameters import Week
from shifts_core.calendar import monday_of, parse_week
from shifts_platform.cli import shifts

MALFORMED = (
    *("", " ", "x", "2018", "22", "2018-22", "20180528", "2018-5-28", "W22-2018", "2018W22", "2018-w22"),
    *("2018-W2", "2018-W022", "2018-W22-1", "2018-W+2", "2018-W 2", "2018-W2_", "2_18-W22", " 201-W22"),
    *("+218-W22", "-218-W22", "2018-05-28T00:00", "2018-05-28 ", "2018-05-28\n", "\n2018-W22", "2018-W22\n"),
    *("２０１８-W22", "٢٠١٨-W22"),
)
MISSING = (
    *("2018-W00", "2018-W53", "2018-W60", "2018-W99", "0000-W01"),
    *("2018-02-30", "2018-00-01", "0000-01-01"),
)


@given(st.dates())
def test_a_date_and_its_iso_week_have_the_same_monday(day: date) -> None:
    if monday_of(day).year < 1:
        return
    year, week, _ = day.isocalendar()
    assert parse_week(day.isoformat()) == monday_of(day)
    if 1 <= year <= 9999:
        assert parse_week(f"{year:04}-W{week:02}") == monday_of(day)


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an ISO week like 2018-W22 or a date like 2018-05-31 is needed"):
        parse_week(text)


@pytest.mark.parametrize("text", MISSING)
def test_a_week_or_day_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text} does not exist"):
        parse_week(text)


@pytest.mark.parametrize("text", [*MALFORMED, *MISSING])
def test_every_parameter_and_the_command_refuse_the_same(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Week).validate_python(text)
    (error,) = refused.value.errors()
    with pytest.raises(ValueError, match=error["msg"].removeprefix("Value error, ")):
        parse_week(text)
    error_of_command = CliRunner().invoke(shifts, ["tune", "--region", "Turin", f"--week={text}"]).exception
    assert str(error_of_command).startswith("--week: ")


@pytest.mark.parametrize("value", [{}, 201822, None, ["2018-W22"]])
def test_a_value_that_is_no_text_is_no_week(value: object) -> None:
    with pytest.raises(ValueError, match="an ISO week like 2018-W22"):
        parse_week(value)
