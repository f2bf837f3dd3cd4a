"""Whether a node is there. Pure: the time comes in."""

from __future__ import annotations

from enum import StrEnum

ALIVE_WITHIN_S = 30.0  # three times the longest pause between the reports of a well node


class NodeState(StrEnum):
    """How a node is doing."""

    REGISTERED = "registered"
    """It has not reported yet, and its time to do so has not passed."""
    ONLINE = "online"
    LOST = "lost"
    """Nothing was heard from it for too long. Its next heartbeat brings it back."""


def node_state(heard_at: float, heartbeats: int, now: float, alive_within_s: float = ALIVE_WITHIN_S) -> NodeState:
    """The state of a node last heard from at `heard_at`."""
    if now - heard_at > alive_within_s:
        return NodeState.LOST
    return NodeState.ONLINE if heartbeats else NodeState.REGISTERED
