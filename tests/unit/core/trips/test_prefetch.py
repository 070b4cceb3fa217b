"""Prefetching keeps items and errors, and leaves no thread behind."""

import threading
from collections.abc import Iterator

import pytest

from shifts_core.trips.prefetch import prefetch


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_the_items_are_the_same_in_the_same_order() -> None:
    with prefetch(iter(range(1000)), 2) as items:
        assert list(items) == list(range(1000))
    assert readers() == []


def test_items_are_made_ahead_up_to_the_limit() -> None:
    made = threading.Semaphore(0)
    count = 0

    def numbers() -> Iterator[int]:
        nonlocal count
        for number in range(100):
            count += 1
            made.release()
            yield number

    with prefetch(numbers(), 2) as items:
        # Two that wait, and one in the maker's hands.
        for _ in range(3):
            assert made.acquire(timeout=20)
        assert count == 3
        assert next(items) == 0


@pytest.mark.parametrize("error", [ValueError("bad"), MemoryError(), KeyboardInterrupt()])
def test_errors_of_the_iterator_are_raised_in_their_place(error: BaseException) -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise error

    with prefetch(numbers(), 2) as items:
        assert next(items) == 1
        with pytest.raises(type(error)) as raised:
            next(items)
        assert raised.value is error
    assert readers() == []


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_the_thread_ends_when_the_consumer_stops(taken: int) -> None:
    def numbers() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    def abandon() -> None:
        with prefetch(numbers(), 2) as items:
            assert [next(items) for _ in range(taken)] == list(range(taken))
            raise LookupError

    with pytest.raises(LookupError):
        abandon()
    assert readers() == []
