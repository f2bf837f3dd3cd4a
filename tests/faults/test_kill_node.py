"""K1: a node dies at once, agent and worker."""

from __future__ import annotations

from finding import Finding
from kills import kill_nodes

FAULT = "K1"
TITLE = "a node is killed"
stock = None


def ours() -> Finding:
    return kill_nodes(3, 1)


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
