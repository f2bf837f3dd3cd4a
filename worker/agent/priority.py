"""The agent's own priority: a little above that of the workers it supervises, where the system allows it.

It normally does not: a lower niceness than the own one needs root, or LimitNICE in the systemd unit. On Linux a niceness
belongs to a thread, and those that it starts inherit it, as do its child processes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

STEP = 5
"""The agent's niceness is lower by this, which is three times the weight (Linux, sched_prio_to_weight)."""


class Priority(NamedTuple):
    """The niceness that the calling thread had at first, and its own now; the same where it may not be changed."""

    usual: int
    own: int

    @contextlib.contextmanager
    def usual_niceness(self) -> Iterator[None]:
        """Run the block at the usual niceness, which processes started in it inherit."""
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
    """The priority of the calling thread, unchanged."""
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    return Priority(niceness, niceness)


def raise_priority() -> Priority:
    """Raise the priority of the calling thread by STEP, where that is allowed."""
    usual = current_priority().usual
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, usual - STEP)
    return Priority(usual, current_priority().own)
