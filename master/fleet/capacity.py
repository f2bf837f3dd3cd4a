"""How much load a node is to carry, by how it bears it. Pure; times and readings are parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from master.fleet.registry import Node
from master.fleet.states import USABLE

STEP = 2**0.25
"""Capacities differ by whole steps, so that many nodes share few of them and a small change moves nobody."""
MOST_STEPS = 12
"""A hot node keeps an eighth of its load at least: without any it would be cool, and nobody would know what it bears."""
LESS_EVERY_S = 10.0
"""While it is hot it carries a step less each time: the board's own mass takes about 2 min to follow."""
MORE_EVERY_S = 30.0
"""When it is cool again it carries a step more each time, far slower than it may heat up."""
COOL_BELOW_C = 75.0
"""Five degrees below where a Pi's firmware begins to lower the clock: between the two nothing changes."""


class Capacities:
    """Of all nodes. Only those that are hot, or carry less than they could, cost anything."""

    def __init__(self) -> None:
        self._reduced: dict[str, Capacity] = {}

    def look(self, now_s: float, hot: Iterable[Node], nodes: Mapping[str, Node]) -> Iterator[tuple[Node, Capacity]]:
        """See how the `hot` nodes are now, and those that carry less; those whose capacity has changed."""
        for node in hot:
            self._reduced.setdefault(node.name, Capacity())
        for name, capacity in list(self._reduced.items()):
            node = nodes[name]
            condition = node.condition
            if node.state not in USABLE:
                continue  # nothing is heard of it that counts
            if capacity.look(now_s, node.temperature_c, hot=condition.hot, slowed=condition.slowed):
                yield node, capacity
            if not (capacity.reduced or condition.hot or condition.slowed):
                del self._reduced[name]


class Capacity:
    """One node's, compared to that of a node with capacity 1.

    A node that is too warm or held down by its firmware carries less and less until it bears it, and gets it back step by
    step when it has been cool. What is not known changes nothing.
    """

    def __init__(self, full: float = 1.0) -> None:
        """`full` is what it can carry when it is cool, above 0."""
        self.full = full
        self._steps = 0
        self._changed_s: float | None = None

    @property
    def value(self) -> float:
        """What it is to carry now, above 0."""
        return self.full * STEP**-self._steps

    @property
    def reduced(self) -> bool:
        """Whether it is to carry less than it could when cool."""
        return self._steps > 0

    def look(self, now_s: float, temperature_c: float | None, *, hot: bool, slowed: bool) -> bool:
        """See how it is now, once a second or so; whether its capacity has changed.

        `hot` is from where its firmware may hold it down, `slowed` whether it does.
        """
        if hot or slowed:
            return self._steps < MOST_STEPS and self._change(2 if slowed else 1, now_s, LESS_EVERY_S)
        if self._steps and temperature_c is not None and temperature_c < COOL_BELOW_C:
            return self._change(-1, now_s, MORE_EVERY_S)
        return False

    def _change(self, steps: int, now_s: float, every_s: float) -> bool:
        if self._changed_s is not None and now_s - self._changed_s < every_s:
            return False
        self._changed_s = now_s
        self._steps = min(MOST_STEPS, max(0, self._steps + steps))
        return True
