"""Orders of a process from its parent, the controller or an agent, and its end when the parent is gone.

Orders come as one line of JSON on standard input: keys stay out of argv and the environment. The pipe then stays open; when
it closes, the other end has ended, however it did, and this process ends too: at once, or, if its orders say how long it
may outlive the other, when there was no message of a controller for that time. So a controller that is started again finds its fleet.
"""

from __future__ import annotations

import _thread
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from worker.streams import guard_streams

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1
_last_contact_s = time.monotonic()


def end_with_parent() -> None:
    """Have the kernel end this process when the thread that has started it ends (prctl(2), PR_SET_PDEATHSIG).

    For processes that run an operator's code: what holds the interpreter, in a regular expression say, keeps the thread of
    `read_orders` from running. One whose parent has gone before this call is ended by that thread.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def note_contact() -> None:
    """Note that a message of a controller has arrived."""
    global _last_contact_s  # noqa: PLW0603  # there is one process, and one life of it
    _last_contact_s = time.monotonic()


def read_orders(
    kind: type[T],
    start_thread: Callable[[Callable[[], None], tuple[()]], Any] = _thread.start_new_thread,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Begin as a process that was started by another: the orders, decoded as `kind`. Raises msgspec.MsgspecError when they are none.

    From then on this process ends by itself (see above). Ctrl-C in the terminal is ignored: how a run ends is the
    controller's to say, over the wire. A gevent process hands over the unpatched `start_new_thread` and `sleep`.
    """
    guard_streams()  # a log whose disk is full is no reason for a user's code to fail
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)
    outlive_s: float = getattr(orders, "outlive_s", 0.0)
    pipe = os.dup(0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  # a locustfile that asks for input gets none, at once
        os.dup2(nothing.fileno(), 0)

    def watch() -> None:
        while os.read(pipe, 4096):
            pass
        while time.monotonic() - _last_contact_s < outlive_s:
            sleep(0.5)
        os._exit(1)

    start_thread(watch, ())
    return orders
