"""How a process that the controller starts gets its orders, and how it learns that the controller is gone.

Orders come as one line of JSON on standard input: keys stay out of argv and the environment. The pipe then stays open; when
it closes, the controller has ended, however it ended, and this process ends too.
"""

from __future__ import annotations

import _thread
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def read_orders(kind: type[T]) -> T:
    """The orders, decoded as `kind`. Raises msgspec.MsgspecError when they are none."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)


def exit_with_parent(start_thread: Callable[[Callable[[], None], tuple[()]], Any] = _thread.start_new_thread) -> None:
    """End this process at once when standard input closes. A gevent process hands over the unpatched `start_new_thread`."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    start_thread(watch, ())
