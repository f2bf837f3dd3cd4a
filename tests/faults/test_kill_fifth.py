"""K2: a fifth of the fleet dies at once."""

from __future__ import annotations

from finding import Finding
from kills import kill_nodes

FAULT = "K2"
TITLE = "a fifth of the fleet is killed"
stock = None


def ours() -> Finding:
    return kill_nodes(10, 2)


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
