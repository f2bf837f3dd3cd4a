"""How a process that the controller starts gets its orders, and how it learns that the controller is gone.

Orders come as one line of JSON on standard input: keys stay out of argv and the environment. The pipe then stays open; when
it closes, the controller has ended, however it ended, and this process ends too.
"""

from __future__ import annotations

import _thread
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def take_orders(
    kind: type[T], start_thread: Callable[[Callable[[], None], tuple[()]], Any] = _thread.start_new_thread
) -> T:
    """Begin as a process of the controller's: the orders, decoded as `kind`. Raises msgspec.MsgspecError when they are none.

    From then on this process ends at once when standard input closes. Ctrl-C in the terminal is ignored: how a run ends is
    the controller's to say, over the wire. A gevent process hands over the unpatched `start_new_thread`.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    start_thread(watch, ())
    return orders
