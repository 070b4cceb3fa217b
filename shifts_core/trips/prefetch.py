"""Runs an iterator ahead of its consumer, in a thread."""

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
    """The same items; up to `limit` of them are made before they are consumed.

    An exception of the iterator is raised in place of its item. When the block ends early, the thread ends too.
    """
    made: queue.Queue[T | _End] = queue.Queue(limit)
    stopped = threading.Event()

    def put(item: T | _End) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                made.put(item, timeout=_WAIT_S)
                return

    def work() -> None:
        error = None
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
        except BaseException as raised:  # raised again in the consumer
            error = raised
        put(_End(error))

    def consumed() -> Iterator[T]:
        while not isinstance(item := made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        yield consumed()
    finally:
        stopped.set()
        thread.join()
