"""The request to end a run early: any part of the run may make it, and the first reason stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent.event import Event

from master.errors import ExitCode


class StopRequest:
    """Whether the run is to end now, and why. Without a `reason` it ends early and in order (a rule asked for it)."""

    def __init__(self) -> None:
        self.event = Event()
        self.reason: str | None = None

    @property
    def requested(self) -> bool:
        """Whether the run is to end."""
        return bool(self.event.is_set())

    def request(self, reason: str | None = None) -> None:
        """End the run."""
        if not self.requested:
            self.reason = reason
            self.event.set()

    def fail(self, reason: str) -> None:
        """End the run, which can't be what it was to be: also one that ends already, as long as that has no reason."""
        self.reason = self.reason or reason
        self.event.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the end is requested, at most so long; whether it is."""
        return bool(self.event.wait(timeout=timeout_s))

    @contextmanager
    def on_signals(self, at_once: Callable[[], None]) -> Iterator[None]:
        """Within the block Ctrl-C, SIGTERM and SIGHUP request the end; a second one of the first two calls `at_once` and leaves.

        A terminal that is closed sends SIGHUP, often more than once, and is no reason for haste. Who starts a run so that it
        ignores SIGHUP (nohup) has it go on.
        """

        def interrupt() -> None:
            if self.requested:
                try:
                    at_once()
                finally:
                    os._exit(ExitCode.ABORTED)
            self.request("interrupted by the operator")

        handlers = [gevent.signal_handler(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            handlers.append(
                gevent.signal_handler(signal.SIGHUP, self.request, "interrupted: its terminal went away (SIGHUP)")
            )
        try:
            yield
        finally:
            for handler in handlers:
                handler.cancel()
