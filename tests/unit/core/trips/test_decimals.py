"""The compiled number parser returns the nearest double, or refuses."""

import math
import random
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shifts_core.trips.decimals import read_number

DIGITS = st.text("0123456789", max_size=40)
EXPONENTS = st.one_of(
    st.just(""),
    st.builds(
        lambda e, sign, n: f"{e}{sign}{n}",
        st.sampled_from("eE"),
        st.sampled_from(["", "+", "-"]),
        st.integers(0, 400),
    ),
)
SIGNS = st.sampled_from(["", "-", "+"])


def number_of(text: str) -> tuple[float, int]:
    value, behind = read_number(np.frombuffer(text.encode() + b")\0", np.uint8), 0)
    return float(value), int(behind)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def agrees(text: str) -> bool:
    """Whether it answered; what it answered is right."""
    value, behind = number_of(text)
    if behind < 0:
        return False
    assert behind == len(text), text
    assert bits(value) == bits(float(text)), text
    return True


@settings(max_examples=1000, deadline=None)
@given(SIGNS, DIGITS, DIGITS, EXPONENTS)
def test_any_decimal_is_parsed_exactly_or_refused(
    sign: str, whole: str, fraction: str, exponent: str
) -> None:
    for text in (f"{sign}{whole}.{fraction}{exponent}", f"{sign}{whole}{exponent}"):
        if any(char.isdigit() for char in text.lower().partition("e")[0]):
            agrees(text)
        else:
            assert number_of(text)[1] == -1


@settings(max_examples=1000, deadline=None)
@given(st.floats(-180, 180))
@example(5e-324)
@example(-0.0)
@example(math.nextafter(180, 0))
def test_every_double_is_parsed_back_exactly(value: float) -> None:
    for text in (repr(value), f"{value:.17g}", f"{value:.17e}", f"{value:+.25f}"):
        agrees(text)


def test_usual_coordinates_are_never_refused() -> None:
    rng = random.Random(3)
    for _ in range(20_000):
        value = rng.uniform(-180, 180)
        for text in (repr(value), f"{value:.6f}", f"{value:.15f}", f"{value:.9e}"):
            assert agrees(text)


@settings(max_examples=500, deadline=None)
@given(st.floats(1e-9, 180), st.integers(-2, 2))
def test_numbers_halfway_between_doubles_are_never_rounded_wrongly(value: float, units: int) -> None:
    numerator, denominator = value.as_integer_ratio()
    other, of = math.nextafter(value, math.inf).as_integer_ratio()
    # Both denominators are powers of two, so the middle has a finite decimal expansion.
    twice = numerator * of + other * denominator
    places = (2 * denominator * of).bit_length() - 1
    digits = twice * 5**places + units
    text = str(digits).rjust(places + 1, "0")
    agrees(f"{text[:-places]}.{text[-places:]}")


@pytest.mark.parametrize(
    "text", ["", "-", "+", ".", "-.", "e5", ".e5", "1e", "1e+", "1e-", "x", "nan", "inf"]
)
def test_text_that_is_not_a_number_is_refused(text: str) -> None:
    assert number_of(text)[1] == -1


@pytest.mark.parametrize(("text", "behind"), [("1 2", 1), ("1.5.2", 3), ("1-2", 1), ("1,5", 1), ("7e5e1", 3)])
def test_a_number_ends_at_the_first_other_character(text: str, behind: int) -> None:
    assert number_of(text) == (float(text[:behind]), behind)


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0e9", "0e999", "-0.000"])
def test_zero_keeps_its_sign(text: str) -> None:
    assert agrees(text)
