"""When the task of a user that is under way was due: what the user's schedule tells all of its clients."""

from __future__ import annotations


class DueTask:
    """The due time of one user's task, which the first request of the task takes into account, by whichever client.

    Set by worker.pacing in the closed model, and by worker.load.arrivals in the open one.
    """

    __slots__ = ("behind_since_s", "intended_s", "unread_s", "waited_s")

    def __init__(self) -> None:
        self.intended_s: float | None = None
        """When the task under way was due, on the monotonic clock, if it began late, until a request has taken it."""
        self.waited_s: float | None = None
        """In the open model: how long the task has waited for this user, which is all of its lateness that is a latency."""
        self.behind_since_s: float | None = None
        """Since when the user is behind: when a task last began on time, or this one was due; on the monotonic clock."""
        self.unread_s = 0.0
        """Seconds since then in which responses had reached this machine and were not read; reset by worker.pacing."""

    def begin_arrival(self, due_s: float | None, waited_s: float = 0.0) -> None:
        """A task of the open model begins: it was due at `due_s` and has waited for this user; None: it has not."""
        self.intended_s = self.behind_since_s = due_s
        self.waited_s = waited_s

    def take_waited_s(self) -> float:
        """For a request that some client has ended: how long its task had waited for the user, 0 for all but the first."""
        if self.intended_s is None or self.waited_s is None:
            return 0.0
        self.intended_s = None
        return self.waited_s
