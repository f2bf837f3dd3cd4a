"""The users that look after the platform."""

from __future__ import annotations

from typing import Any

from worker.users.lucid import replies
from worker.users.lucid.accounts import ADMINS
from worker.users.lucid.base import SignedInUser

_REWARD = 1_000_000
_MORE_THAN_ANY_NODE_MB = 2**30


class AdminUser(SignedInUser):
    """Looks at the statistics and at the nodes, and makes a pool of nodes and removes it again."""

    wait_s = (10.0, 30.0)
    pool = ADMINS

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._made: str | None = None

    def work(self) -> None:
        """One look, or the next step with its pool."""
        steps = (self._statistics, self._nodes, self._pools, self._manage_pool, self._look_at_work, self._pay)
        (step,) = self.random.choices(steps, (8, 2, 1, 3, 1, 1))
        step()

    def _statistics(self) -> None:
        self.call("GET", "/admin/statistics", replies.StatisticsReply, check=lambda read: "total" in read.nodes)

    def _nodes(self) -> None:
        self.call("GET", "/nodes?limit=100", replies.NodePageReply, name="/nodes")

    def _pools(self) -> None:
        self.call("GET", "/pools", replies.PoolListReply, check=lambda found: bool(found.pools))

    def _manage_pool(self) -> None:
        """Make a pool that no node fits into, so that it changes nothing for nodes; then remove it."""
        if self._made is None:
            name = f"pool-{self.random.getrandbits(48):012x}"
            made = self.call(
                "POST",
                "/pools",
                replies.PoolReply,
                body={"name": name, "min_memory_mb": _MORE_THAN_ANY_NODE_MB},
                expected=(201,),
                check=lambda pool: (pool.name, pool.nodes) == (name, 0),
            )
            self._made = None if made is None else name
        else:
            name, self._made = self._made, None
            self.call(
                "DELETE",
                f"/pools/{name}",
                replies.PoolReply,
                name="/pools/[name]",
                check=lambda pool: pool.name == name,
            )

    def _look_at_work(self) -> None:
        self.call("GET", "/poot/statistics", replies.PootStatisticsReply, check=lambda found: found.records >= 0)

    def _pay(self) -> None:
        """Have the nodes paid for their work since the last time; there may be none (409)."""
        self.call("POST", "/poot/batches", bytes, body={"reward": _REWARD}, expected=(201, 409))
