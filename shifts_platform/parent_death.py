"""Child processes that end when the process that started them is killed."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
END_OF_GROUP = signal.SIGUSR1
"""For a child that then ends its process group, itself included."""


def child_setup(number: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` for a child: `number` is sent to it when its parent ends, where the system is Linux.

    Python calls it after it changed the child's user, a change that would clear the setting. It also undoes ignored
    stop signals: a shell that starts us in the background makes us ignore them, and every child inherits that.
    """
    parent = os.getpid()

    def set_up() -> None:
        for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(ignored, signal.SIG_DFL)
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, number)
            if os.getppid() != parent:
                # It ended before the call.
                os.kill(os.getpid(), signal.SIGKILL)

    return set_up
