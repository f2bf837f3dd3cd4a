"""When nodes that lack something are named: before the load, and all in one message. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from master.fleet.registry import Node
from master.formatting import listed

NAMING_S = 3.0
"""The time that further nodes have to say that they lack it, too, once the first has said it."""
MAX_NAMES = 10
"""Nodes that a message names."""


class Naming:
    """Waits, once the first node that lacks something is known, for others that do."""

    def __init__(self) -> None:
        self._first_s: float | None = None

    def due(self, nodes: Mapping[str, Node], now_s: float, *, begins: bool) -> bool:
        """Whether those known to lack something are to be named now; to be asked while there are any. `begins`: the load does."""
        if self._first_s is None:
            self._first_s = now_s
        return begins or now_s >= self._first_s + NAMING_S or all(node.facts is not None for node in nodes.values())


def names_shown(names: Sequence[str]) -> str:
    """The first MAX_NAMES of them, and how many more there are."""
    return listed(names, MAX_NAMES)
