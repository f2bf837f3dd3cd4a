"""The states of a node: which there are, what leads from one to another, and what of a node's condition counts. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class NodeState(Enum):
    """The state of a node."""

    JOINING = "joining"
    READY = "ready"
    RUNNING = "running"
    HOT = "hot"
    THROTTLED = "throttled"
    QUARANTINED = "quarantined"
    LOST = "lost"
    GONE = "gone"


class NodeEvent(Enum):
    """What can happen to a node; the value is how the diagram says it."""

    COMPLETE = "agent and a worker have joined"
    INCOMPLETE = "no worker is left"
    LOADED = "users run"
    UNLOADED = "no users run"
    HEATED = "too warm"
    COOLED = "cool again"
    THROTTLED = "clock is held down"
    UNTHROTTLED = "full clock again"
    CRASHING = "workers crash again and again"
    RECOVERED = "a worker stays up"
    SILENT = "agent is silent"
    RESUMED = "agent sends again"
    LEFT = "agent shuts down"
    RETURNED = "agent joins again"


_S, _E = NodeState, NodeEvent
_WORKING = (_S.READY, _S.RUNNING, _S.HOT, _S.THROTTLED)
_PRESENT = (_S.JOINING, *_WORKING, _S.QUARANTINED)

TABLE: dict[tuple[NodeState, NodeEvent], NodeState] = {
    (_S.JOINING, _E.COMPLETE): _S.READY,
    (_S.READY, _E.LOADED): _S.RUNNING,
    (_S.RUNNING, _E.UNLOADED): _S.READY,
    (_S.READY, _E.HEATED): _S.HOT,
    (_S.RUNNING, _E.HEATED): _S.HOT,
    (_S.HOT, _E.COOLED): _S.READY,
    (_S.READY, _E.THROTTLED): _S.THROTTLED,
    (_S.RUNNING, _E.THROTTLED): _S.THROTTLED,
    (_S.HOT, _E.THROTTLED): _S.THROTTLED,
    (_S.THROTTLED, _E.UNTHROTTLED): _S.READY,
    (_S.QUARANTINED, _E.RECOVERED): _S.JOINING,
    (_S.LOST, _E.RESUMED): _S.JOINING,
    (_S.GONE, _E.RETURNED): _S.JOINING,
    (_S.LOST, _E.LEFT): _S.GONE,
    **{(state, _E.INCOMPLETE): _S.JOINING for state in _WORKING},
    **{(state, _E.CRASHING): _S.QUARANTINED for state in (_S.JOINING, *_WORKING)},
    **{(state, _E.SILENT): _S.LOST for state in _PRESENT},
    **{(state, _E.LEFT): _S.GONE for state in _PRESENT},
}
"""Every way from one state to another. What is not in it changes nothing."""

USABLE = frozenset(_WORKING)
"""The states in which a node can carry load."""
HOT = frozenset({_S.HOT, _S.THROTTLED})


def step(state: NodeState, event: NodeEvent) -> NodeState:
    """The state after `event`; the same one when the event means nothing in it."""
    return TABLE.get((state, event), state)


@dataclass
class Condition:
    """What is known of a node that decides about its state."""

    joined: bool = False
    """Its agent has joined."""
    workers: int = 0
    users: bool = False
    """Users are ordered to run on it."""
    hot: bool = False
    throttled: bool = False
    crashing: bool = False
    silent: bool = False
    left: bool = False

    @property
    def complete(self) -> bool:
        """Whether it could carry load."""
        return self.joined and self.workers > 0


_DUE: tuple[tuple[NodeEvent, Callable[[Condition], bool]], ...] = (
    (_E.LEFT, lambda it: it.left),
    (_E.RETURNED, lambda it: not it.left),
    (_E.SILENT, lambda it: it.silent),
    (_E.RESUMED, lambda it: not it.silent),
    (_E.CRASHING, lambda it: it.crashing),
    (_E.RECOVERED, lambda it: not it.crashing),
    (_E.INCOMPLETE, lambda it: not it.complete),
    (_E.COMPLETE, lambda it: it.complete),
    (_E.THROTTLED, lambda it: it.throttled),
    (_E.UNTHROTTLED, lambda it: not it.throttled),
    (_E.HEATED, lambda it: it.hot),
    (_E.COOLED, lambda it: not it.hot),
    (_E.LOADED, lambda it: it.users),
    (_E.UNLOADED, lambda it: not it.users),
)


def settle(state: NodeState, condition: Condition) -> NodeState:
    """The state that `condition` leads to from `state`, step by step through the table."""
    while True:
        for event, holds in _DUE:
            if (state, event) in TABLE and holds(condition):
                state = TABLE[state, event]
                break
        else:
            return state


def diagram() -> str:
    """The table as a Mermaid state diagram; ways that are alike share an arrow's text."""
    lines = ["stateDiagram-v2", f"    [*] --> {NodeState.JOINING.value}"]
    lines += [f"    {state.value} --> {to.value}: {event.value}" for (state, event), to in TABLE.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())  # noqa: T201  # for the README
