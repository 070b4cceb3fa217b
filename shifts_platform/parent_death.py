"""Child processes that end when their parent process is killed."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
END_OF_GROUP = signal.SIGUSR1
"""For a child that handles it by killing its process group, including itself."""


def child_setup(number: signal.Signals) -> Callable[[], None]:
    """Returns a `preexec_fn`: on Linux, the kernel sends `number` to the child when its parent ends.

    Python calls it after changing the child's user, which would clear the setting. It also restores the default
    handling of stop signals, which background jobs of a shell ignore and their children inherit.
    """
    parent = os.getpid()

    def set_up() -> None:
        for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(ignored, signal.SIG_DFL)
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, number)
            if os.getppid() != parent:
                # The parent ended before the call.
                os.kill(os.getpid(), signal.SIGKILL)

    return set_up
