"""Sleep, and be called back, under gevent by a timer of the kernel, exact to the microsecond.

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
from typing import Any, Protocol

import gevent

READ = 1  # libev's, as gevent's loop takes it
_FIRST = 2
"""libev's highest priority: of what is ready at once, this is looked at first."""
_AT_A_TIME = 1  # TFD_TIMER_ABSTIME
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


class Alarm(Protocol):
    """What calls back at a time."""

    def set(self, at_s: float | None) -> None:
        """Call back at `at_s` of the monotonic clock, at once if that is past; with None not at all. What was set before is void."""


def exact_sleep() -> Callable[[float], None]:
    """What puts one greenlet to sleep for a number of seconds; gevent's own where the system has no such timer."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            return _KernelSleep().sleep
    return gevent.sleep  # type: ignore[no-any-return]  # gevent is untyped


def exact_alarm(callback: Callable[[], None]) -> Alarm:
    """An alarm that calls `callback` in the event loop, which must set it again and not raise; by gevent's timer where there is no other."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            return _KernelAlarm(callback)
    return LoopAlarm(callback)


class _KernelTimer:
    """One timer of the kernel. Lives as long as the process."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "no timer that is a descriptor")
        self._span = _ITimerSpec(0, 0, 0, 0)
        self._reference = ctypes.byref(self._span)
        self._settime = self._libc.timerfd_settime

    def set(self, seconds: float, flags: int = 0) -> None:
        """Set it to a number of seconds, 0 for never. From then on its descriptor is not ready until they are over."""
        fraction, whole = math.modf(seconds)
        self._span.first_s, self._span.first_ns = int(whole), int(fraction * 1e9)
        if self._settime(self.descriptor, flags, self._reference, None):
            raise OSError(ctypes.get_errno(), "the timer can't be set")


class _KernelSleep:
    """One greenlet's sleep by a timer of the kernel."""

    def __init__(self) -> None:
        self._timer = _KernelTimer()
        self._hub = gevent.get_hub()
        self._watcher = self._hub.loop.io(self._timer.descriptor, READ)

    def sleep(self, seconds: float) -> None:
        self._timer.set(max(_MIN_SLEEP_S, seconds))
        self._hub.wait(self._watcher)
        with contextlib.suppress(BlockingIOError):
            os.read(self._timer.descriptor, 8)


class _KernelAlarm:
    """An alarm by a timer of the kernel."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._timer = _KernelTimer()
        self._watcher = gevent.get_hub().loop.io(self._timer.descriptor, READ, priority=_FIRST)
        self._watcher.start(callback)

    def set(self, at_s: float | None) -> None:
        self._timer.set(0.0 if at_s is None else max(_MIN_SLEEP_S, at_s), _AT_A_TIME)


class LoopAlarm:
    """An alarm by a timer of the event loop."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop = gevent.get_hub().loop
        self._timer: Any = None

    def set(self, at_s: float | None) -> None:
        """As Alarm.set."""
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        if at_s is not None:
            self._timer = self._loop.timer(max(0.0, at_s - time.monotonic()))
            self._timer.start(self._callback, update=True)
