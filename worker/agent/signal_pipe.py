"""Signals as something to poll for: each signal that this process handles writes a byte to a pipe.

A poll on descriptors does not return at a signal whose handler returns: Python restarts it for what is left of the time. The
end of a child process is such a signal, too (SIGCHLD), so that nobody has to poll for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def catch_sigterm() -> Callable[[], bool]:
    """Keep SIGTERM from ending this process; the function returned says whether it has come."""
    caught: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
    return lambda: bool(caught)


@contextmanager
def open_signal_pipe() -> Iterator[int]:
    """A descriptor that becomes readable at each signal that this process handles in Python, and at the end of a child.

    For the main thread only (ValueError elsewhere), and for one user at a time. The reader empties it; a byte that finds no
    room is not needed.
    """
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # Only signals with a handler in Python get there; what the handler does is no matter.
    former_handler = signal.signal(signal.SIGCHLD, lambda *_: None)
    former_fd = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(former_fd)
        signal.signal(signal.SIGCHLD, former_handler)
        os.close(readable)
        os.close(writable)
