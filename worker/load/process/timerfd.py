"""Sleep under gevent by a timer of the kernel, exact to the microsecond.

The event loop's own timers wait in epoll, whose timeout is in whole milliseconds: they come up to 1 ms late in a process that has
nothing else to do. A timer that is a descriptor (timerfd, Linux) ends as exactly as an answer on a socket comes, and is looked
at by the loop in the same way.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable

import gevent

READ = 1  # libev's, as gevent's loop takes it
_MIN_SLEEP_S = 1e-6
"""A time of 0 would put the timer out of use."""


class _ITimerSpec(ctypes.Structure):
    """The kernel's itimerspec: how often again, never here, and the first time. The C library's word length."""

    _fields_ = (
        ("again_s", ctypes.c_long),
        ("again_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


def exact_sleep() -> Callable[[float], None]:
    """What puts one greenlet to sleep for a number of seconds; gevent's own where the system has no such timer."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            return _KernelTimer().sleep
    return gevent.sleep  # type: ignore[no-any-return]  # gevent is untyped


class _KernelTimer:
    """One timer of the kernel. Lives as long as the process."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "no timer that is a descriptor")
        self._hub = gevent.get_hub()
        self._watcher = self._hub.loop.io(self._descriptor, READ)

    def sleep(self, seconds: float) -> None:
        fraction, whole = math.modf(max(_MIN_SLEEP_S, seconds))
        span = _ITimerSpec(0, 0, int(whole), int(fraction * 1e9))
        if self._libc.timerfd_settime(self._descriptor, 0, ctypes.byref(span), None):
            raise OSError(ctypes.get_errno(), "the timer can't be set")
        self._hub.wait(self._watcher)
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 8)
