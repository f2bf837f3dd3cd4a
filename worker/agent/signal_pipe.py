"""Being woken by signals: by the end of a child process, and by whatever else this process handles.

A process that waits on descriptors is not woken by a signal whose handler returns: Python goes on waiting for what is left
of the time. So each signal also writes a byte to a pipe, whose other end can be waited for. A child's end is such a signal
(SIGCHLD) on every system that has fork, so that nobody need ask for it again and again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def catch_sigterm() -> Callable[[], bool]:
    """Have SIGTERM no longer end this process; the function returned says whether it has come."""
    caught: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
    return lambda: bool(caught)


@contextmanager
def open_signal_pipe() -> Iterator[int]:
    """A descriptor that becomes readable at each signal which this process handles in Python, the end of a child included.

    For the main thread alone (ValueError elsewhere), and for one at a time. The reader empties it; it never fills up,
    since a byte that finds no room is not needed.
    """
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # Only a signal that has a handler in Python is told; what the handler does does not matter.
    handled = signal.signal(signal.SIGCHLD, lambda *_: None)
    told = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(told)
        signal.signal(signal.SIGCHLD, handled)
        os.close(readable)
        os.close(writable)
