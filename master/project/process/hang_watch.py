"""Says where the operator's code hangs, when something takes longer than it may.

A thread of the system's looks at the clock, so it also sees a loop that never lets gevent's hub have a turn. Code that holds the
interpreter itself (a regular expression without end) stops this thread as well: then the controller asks faulthandler, by a
signal, whose handler needs no interpreter.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import gevent
from gevent import monkey

from master.project.own_places import describe_place, place_of_frame

POLL_S = 0.1
STACK_SIGNAL = signal.SIGUSR1
"""Has faulthandler write the stack to standard error, which is the log."""


class HangWatch:
    """Watches one thing at a time, done by the greenlet that begins it."""

    def __init__(self) -> None:
        self._deadline_s: float | None = None
        self._on_late: Callable[[str], None] = print
        self._greenlet = gevent.getcurrent()
        get_ident: Callable[[], int] = monkey.get_original("_thread", "get_ident")
        self._thread = get_ident()
        faulthandler.register(STACK_SIGNAL, all_threads=False, chain=False)
        start: Callable[..., object] = monkey.get_original("_thread", "start_new_thread")
        start(self._watch, (monkey.get_original("time", "sleep"),))

    @contextmanager
    def limit(self, limit_s: float, on_late: Callable[[str], None]) -> Iterator[None]:
        """Within the block `on_late` is called once, by another thread, with the place in the code, when it takes longer."""
        self._on_late, self._greenlet = on_late, gevent.getcurrent()
        self._deadline_s = time.monotonic() + limit_s
        try:
            yield
        finally:
            self._deadline_s = None

    def _watch(self, sleep: Callable[[float], None]) -> None:
        while True:
            sleep(POLL_S)
            deadline_s = self._deadline_s
            if deadline_s is not None and time.monotonic() > deadline_s:
                self._deadline_s = None
                self._on_late(self._place())

    def _place(self) -> str:
        frame: FrameType | None = self._greenlet.gr_frame
        if frame is None:  # it runs now
            frame = sys._current_frames().get(self._thread)  # noqa: SLF001  # the documented way to another thread's stack
        place = None if frame is None else place_of_frame(frame)
        return "" if place is None else describe_place(*place)
