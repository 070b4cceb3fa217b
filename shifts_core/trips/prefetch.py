"""An iterator that works ahead in a thread of its own."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")
_WAIT_S = 0.2


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


@contextmanager
def prefetch(items: Iterator[T], limit: int) -> Iterator[Iterator[T]]:
    """The same items, up to `limit` of them made before they are asked for.

    What the iterator raises comes up where its item would have. When the block ends early the thread ends too.
    """
    made: queue.Queue[T | _End] = queue.Queue(limit)
    given_up = threading.Event()

    def put(item: T | _End) -> None:
        while not given_up.is_set():
            with suppress(queue.Full):
                made.put(item, timeout=_WAIT_S)
                return

    def work() -> None:
        error = None
        try:
            for item in items:
                put(item)
                if given_up.is_set():
                    return
        except BaseException as raised:  # it comes up in the other thread
            error = raised
        put(_End(error))

    def taken() -> Iterator[T]:
        while not isinstance(item := made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        given_up.set()
        thread.join()
