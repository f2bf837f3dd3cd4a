"""How a number of users is made up of classes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from worker.wire.work import UserShare


class Mix:
    """How a number of users is made up of classes: fixed counts first, those of each node and worker too, then by weight.

    By weight it follows Webster's method (Sainte-Laguë), which never takes a user of one class away when the whole grows:
    so a ramp up starts users only, and a ramp down ends them in the reverse order.
    """

    def __init__(self, shares: Mapping[str, UserShare]) -> None:
        self._fixed = {name: share for name, share in shares.items() if not share.weight}
        self._weights = {name: share.weight for name, share in shares.items() if share.weight}
        self._nodes = self._workers = 0
        self._wanted = 0
        self._by_weight = 0
        self.counts: dict[str, int] = dict.fromkeys(shares, 0)
        self.total = 0
        self._chosen: Collection[str] = list(self._weights)

    def set_total(self, total: int) -> None:
        """Make up `total` users. Where there are no weights, no more than the fixed counts."""
        self._wanted = max(0, total)
        self._make_up()

    def choose(self, names: Collection[str] | None) -> None:
        """Make up users that come from now on of these classes alone, as far as they go by weight; None: of all."""
        self._chosen = [name for name in self._weights if names is None or name in names] or list(self._weights)

    def set_places(self, nodes: int, workers: int) -> None:
        """There are so many nodes and workers, each of which has users of its own."""
        self._nodes, self._workers = nodes, workers
        self._make_up()

    def _make_up(self) -> None:
        left = self._wanted
        for name, share in self._fixed.items():
            most = share.fixed_count + share.per_node * self._nodes + share.per_worker * self._workers
            self.counts[name] = min(most, left)
            left -= self.counts[name]
        by_weight = left if self._weights else 0
        while self._by_weight < by_weight:
            self.counts[self._next()] += 1
            self._by_weight += 1
        while self._by_weight > by_weight:
            self.counts[self._last()] -= 1
            self._by_weight -= 1
        self.total = self._wanted - left + by_weight

    def _next(self) -> str:
        return max(self._chosen, key=lambda name: self._weights[name] / (2 * self.counts[name] + 1))

    def _last(self) -> str:
        begun = [name for name in reversed(self._weights) if self.counts[name]]
        return min(begun, key=lambda name: self._weights[name] / (2 * self.counts[name] - 1))
