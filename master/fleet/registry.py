"""What the controller knows of each node. Pure: what happened and when are parameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum

from worker.thermal import THROTTLE_FROM_C
from worker.wire import ClockMap, Facts, Reading, Sample

SILENCE_PERIODS = 5
"""A node is lost when its agent has been silent for this many sample periods (and 5 s at least)."""
KEPT_READINGS = 10


class NodeState(Enum):
    """Where a node is in its life."""

    JOINING = "joining"
    READY = "ready"
    HOT = "hot"
    LOST = "lost"


def usable(counts: Mapping[NodeState, int]) -> int:
    """How many nodes can carry load: those that are ready, hot or not."""
    return counts[NodeState.READY] + counts[NodeState.HOT]


class Node:
    """One node: joining until its agent is welcomed and a worker has come, then ready or hot, lost when its agent falls silent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts: Facts | None = None
        self.workers: set[str] = set()
        self.lost = False
        self.seen_s: float | None = None
        self.clock = ClockMap()
        self._readings: deque[tuple[float, Reading]] = deque(maxlen=KEPT_READINGS)

    @property
    def state(self) -> NodeState:
        """The node's state now."""
        if self.lost:
            return NodeState.LOST
        if self.facts is None or not self.workers:
            return NodeState.JOINING
        return NodeState.HOT if self._hot else NodeState.READY

    @property
    def _hot(self) -> bool:
        if not self._readings:
            return False
        reading = self._readings[-1][1]
        return bool(reading.throttled) or (reading.temperature_c or 0.0) >= THROTTLE_FROM_C

    def add(self, sample: Sample, now_s: float) -> float:
        """Take a sample in; returns when it was due, by the controller's clock."""
        self.seen_s = now_s
        self.clock.observe(sample.sent_s, now_s)
        due_s = self.clock.to_local(sample.due_s)
        self._readings.append((due_s, sample.reading))
        return due_s

    def reading_at(self, at_s: float, *, within_s: float) -> Reading | None:
        """The reading taken nearest to `at_s`, None when there is none so near."""
        nearest = min(self._readings, key=lambda entry: abs(entry[0] - at_s), default=None)
        return nearest[1] if nearest is not None and abs(nearest[0] - at_s) <= within_s else None


class Registry:
    """All nodes of the fleet, by name."""

    def __init__(self, names: Iterable[str], period_s: float) -> None:
        self.nodes = {name: Node(name) for name in names}
        self._silence_s = max(5.0, SILENCE_PERIODS * period_s)
        self.ever_lost: set[str] = set()
        self.peak_ready = 0
        self._returned: list[str] = []

    @property
    def simulated(self) -> bool:
        """Whether any node of the fleet is a simulated one."""
        return any(node.facts is not None and node.facts.simulated for node in self.nodes.values())

    def welcome(self, name: str, facts: Facts, now_s: float) -> None:
        """An agent has presented its node."""
        node = self.nodes[name]
        node.facts, node.seen_s = facts, now_s
        self._note_life(node)

    def sample(self, name: str, sample: Sample, now_s: float) -> float:
        """A sample has come; returns when it was due, by the controller's clock."""
        node = self.nodes[name]
        self._note_life(node)
        return node.add(sample, now_s)

    def _note_life(self, node: Node) -> None:
        if node.lost:
            node.lost = False
            self._returned.append(node.name)

    def find_returned(self) -> list[str]:
        """Nodes that were lost and have been heard again since the last call."""
        returned, self._returned = self._returned, []
        return returned

    def find_lost(self, now_s: float) -> list[str]:
        """Nodes that have just been silent for too long; each is named once until it returns."""
        lost = []
        for node in self.nodes.values():
            if not node.lost and node.seen_s is not None and now_s - node.seen_s > self._silence_s:
                node.lost = True
                self.ever_lost.add(node.name)
                lost.append(node.name)
        return lost

    def count(self) -> dict[NodeState, int]:
        """How many nodes are in each state; HOT ones are not counted as READY."""
        counts = dict.fromkeys(NodeState, 0)
        for node in self.nodes.values():
            counts[node.state] += 1
        self.peak_ready = max(self.peak_ready, usable(counts))
        return counts
