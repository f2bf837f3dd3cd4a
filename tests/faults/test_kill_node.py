"""K1: a node dies at once, agent and worker. `tests/integration/run/test_kills.py` has the test."""

from __future__ import annotations

from finding import Finding
from kills import kill_nodes

FAULT = "K1"
TITLE = "a node is killed"
stock = None


def ours() -> Finding:
    return kill_nodes(3, 1)
