"""Delays between restarts."""

from shifts_platform.backoff import Backoff


def test_delays_double_up_to_a_minute() -> None:
    backoff = Backoff()
    delays = [backoff.delay_after(1) for _ in range(3_000)]
    assert delays[:8] == [0.5, 1, 2, 4, 8, 16, 32, 60]
    assert set(delays[8:]) == {60}


def test_a_process_that_ran_for_a_minute_gets_the_first_delay() -> None:
    backoff = Backoff()
    assert [backoff.delay_after(ran_s) for ran_s in (0, 0, 59, 60, 0)] == [0.5, 1, 2, 0.5, 1]
