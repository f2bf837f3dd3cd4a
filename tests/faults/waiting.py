"""Waiting for what is bound to come, with a limit."""

from __future__ import annotations

from collections.abc import Callable

import gevent


def comes(holds: Callable[[], object], within_s: float = 20.0) -> bool:
    """Let the other greenlets work until something holds; return whether it did in time."""
    with gevent.Timeout(within_s, False):  # gevent's way to say: just leave the block
        while not holds():
            gevent.sleep(0.01)
        return True
    return bool(holds())


def must_come(holds: Callable[[], object], what: str, within_s: float = 30.0) -> None:
    """Wait as `comes` does. Raises TimeoutError, which names what did not come."""
    if not comes(holds, within_s):
        raise TimeoutError(f"{what}: not within {within_s:.0f} s")
