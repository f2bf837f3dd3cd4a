"""When the target ends: at a signal, or some time after the end of the process that started it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable


def end_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on the signals that ask a process to end.

    uvicorn ends on them and then raises them again for the handlers it found; these make that end an orderly one.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda *_: stop())


def end_after_stdin(stop: Callable[[], None], requests: Callable[[], int], outlive_s: float) -> None:
    """Call `stop` when standard input is closed and no request has come for `outlive_s` seconds since, or at SIGUSR1 from then on.

    `requests` counts the requests so far.
    """
    orphaned = threading.Event()

    def stop_if_orphaned(*_: object) -> None:
        if orphaned.is_set():
            # Sent again while Python ends, it would kill a process whose handlers are gone.
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            stop()

    # The next controller sends it to the target of one that died, whose port it needs.
    signal.signal(signal.SIGUSR1, stop_if_orphaned)
    threading.Thread(target=_wait_for_stdin, args=(stop, orphaned, requests, outlive_s), daemon=True).start()


def _wait_for_stdin(
    stop: Callable[[], None], orphaned: threading.Event, requests: Callable[[], int], outlive_s: float
) -> None:
    # os.read takes no lock of a Python file, which a thread still waiting here at the end would hold.
    while os.read(0, 4096):
        pass
    orphaned.set()
    seen, idle_since_s = requests(), time.monotonic()
    while time.monotonic() - idle_since_s < outlive_s:
        time.sleep(0.5)
        if requests() != seen:
            seen, idle_since_s = requests(), time.monotonic()
    stop()
