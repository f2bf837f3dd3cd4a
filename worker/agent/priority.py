"""The agent's own priority: a little above the work that it watches, where the system lets it.

It normally does not: a lower niceness than the own one needs root, or LimitNICE in the systemd unit. On Linux a niceness
belongs to a thread, and those that it starts inherit it, as do its child processes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

STEP = 5
"""So much lower a niceness has three times the weight (Linux, sched_prio_to_weight)."""


class Priority(NamedTuple):
    """A niceness that the calling thread had, and the one that it has now; they are the same where it may not be changed."""

    usual: int
    own: int

    @contextlib.contextmanager
    def laid_down(self) -> Iterator[None]:
        """Have the usual niceness meanwhile: what is started then inherits it."""
        if self.own == self.usual:
            yield
            return
        os.setpriority(os.PRIO_PROCESS, 0, self.usual)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # it is not allowed any more
                os.setpriority(os.PRIO_PROCESS, 0, self.own)


def current_priority() -> Priority:
    """That which the calling thread has."""
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    return Priority(niceness, niceness)


def raise_priority() -> Priority:
    """Raise the calling thread's by STEP, where that is allowed."""
    usual = current_priority().usual
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, usual - STEP)
    return Priority(usual, current_priority().own)
