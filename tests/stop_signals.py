"""Signals that end a process, as children inherit them: ignored in background jobs of a shell, or restored."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# A shell makes its background jobs ignore the first two. Dagster gives SIGTERM the handler of SIGINT in every process
# that uses it. What is ignored stays ignored in all children.
_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_RESTORE = f"""
import os, signal, sys
for number in {[int(number) for number in _SIGNALS]}:
    signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def with_stop_signals(command: Sequence[str]) -> list[str]:
    """The command for a child that these signals end, even if its parent ignores them."""
    return [sys.executable, "-SE", "-c", _RESTORE, *command]


@contextmanager
def ignored_stop_signals() -> Iterator[None]:
    """While in the block, this process and the children that it starts ignore these signals."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
