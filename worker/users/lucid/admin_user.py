"""The users that look after the platform."""

from __future__ import annotations

from worker.users.lucid import replies
from worker.users.lucid.accounts import ADMINS
from worker.users.lucid.base import SignedInUser


class AdminUser(SignedInUser):
    """Looks at the statistics, and at the nodes now and then."""

    wait_s = (10.0, 30.0)
    pool = ADMINS

    def work(self) -> None:
        """One look."""
        if self.random.random() < 0.7:
            self.call("GET", "/admin/statistics", replies.StatisticsReply, check=lambda read: "total" in read.nodes)
        else:
            self.call("GET", "/nodes?limit=100", replies.NodePageReply, name="/nodes")
