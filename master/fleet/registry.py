"""What the controller knows of each node. Pure: what happened and when are parameters."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping

from master.fleet.clocks import ClockMap
from master.fleet.states import USABLE, Condition, NodeState, settle
from worker.thermal import THROTTLE_FROM_C
from worker.wire import Facts, Reading, Sample

SILENCE_S = 3.0
"""A node is lost when its agent, which is due every second, has been silent for so long."""
KEPT_READINGS = 10


def usable(counts: Mapping[NodeState, int]) -> int:
    """How many nodes can carry load, whatever their temperature."""
    return sum(counts[state] for state in USABLE)


class Node:
    """One node, with the telemetry of its last seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts: Facts | None = None
        self.workers: set[str] = set()
        self.clock = ClockMap()
        self.wall_offset_s: float | None = None
        """By how much the node's wall clock is ahead of the controller's; None while it is not known."""
        self.condition = Condition()
        self.state = NodeState.JOINING
        self._readings: deque[tuple[float, Reading]] = deque(maxlen=KEPT_READINGS)

    def add(self, sample: Sample, now_s: float) -> float:
        """Take a sample in; returns when it was due, by the controller's clock."""
        self.clock.observe(sample.sent_s, now_s)
        due_s = self.clock.to_local(sample.due_s)
        reading = sample.reading
        self._readings.append((due_s, reading))
        self.condition.slowed = bool(reading.throttled)
        self.condition.hot = (reading.temperature_c or 0.0) >= THROTTLE_FROM_C
        return due_s

    def reading_at(self, at_s: float, *, within_s: float) -> Reading | None:
        """The reading taken nearest to `at_s`, None when there is none so near."""
        nearest = min(self._readings, key=lambda entry: abs(entry[0] - at_s), default=None)
        return nearest[1] if nearest is not None and abs(nearest[0] - at_s) <= within_s else None


class Registry:
    """All nodes of the fleet, by name. What is asked for once a second costs nothing for nodes that have not changed."""

    def __init__(self, names: Iterable[str]) -> None:
        self.nodes = {name: Node(name) for name in names}
        self.counts = dict.fromkeys(NodeState, 0)
        """How many nodes are in each state."""
        self.counts[NodeState.JOINING] = len(self.nodes)
        self.ever_lost: set[str] = set()
        self.peak_ready = 0
        self.changes: list[tuple[str, NodeState, NodeState]] = []
        """Nodes that have changed their state since the list was last emptied: name, before, after."""
        self._heard_s: OrderedDict[str, float] = OrderedDict()  # the longest silent first
        self._deaf_until_s = 0.0

    @property
    def simulated(self) -> bool:
        """Whether any node of the fleet is a simulated one."""
        return any(node.facts is not None and node.facts.simulated for node in self.nodes.values())

    @property
    def usable(self) -> int:
        """How many nodes can carry load."""
        return usable(self.counts)

    def welcome(self, name: str, facts: Facts, now_s: float) -> None:
        """An agent has presented its node."""
        node = self.nodes[name]
        node.facts = facts
        node.condition.welcomed, node.condition.left = True, False
        self.heard(name, now_s)

    def sample(self, name: str, sample: Sample, now_s: float) -> float:
        """A sample has come; returns when it was due, by the controller's clock."""
        due_s = self.nodes[name].add(sample, now_s)
        self.heard(name, now_s)
        return due_s

    def heard(self, name: str, now_s: float) -> None:
        """An agent has given a sign of life."""
        self._heard_s[name] = now_s
        self._heard_s.move_to_end(name)
        self.nodes[name].condition.silent = False
        self.settle(name)

    def worker_came(self, name: str, worker: str) -> None:
        """A worker of the node has presented itself."""
        self.nodes[name].workers.add(worker)
        self.settle(name)

    def worker_went(self, name: str, worker: str) -> None:
        """A worker of the node is no more."""
        self.nodes[name].workers.discard(worker)
        self.settle(name)

    def left(self, name: str) -> None:
        """The node has said good-bye."""
        self._heard_s.pop(name, None)
        self.nodes[name].condition.left = True
        self.settle(name)

    def note_users(self, name: str, users: bool) -> None:
        """Whether users are ordered to run on the node."""
        self.nodes[name].condition.users = users
        self.settle(name)

    def note_crashing(self, name: str, crashing: bool) -> None:
        """Whether the node's workers end again and again."""
        self.nodes[name].condition.crashing = crashing
        self.settle(name)

    def clocks_off(self, by_s: float) -> dict[str, float]:
        """Nodes whose wall clock is off by more than `by_s`, and by how many seconds it is ahead of ours."""
        offsets = ((name, node.wall_offset_s) for name, node in self.nodes.items())
        return {name: offset_s for name, offset_s in offsets if offset_s is not None and abs(offset_s) > by_s}

    def note_deaf(self, now_s: float) -> None:
        """The controller itself had no time to listen until now: what was not heard meanwhile is nobody's silence."""
        self._deaf_until_s = now_s

    def find_silent(self, now_s: float) -> list[str]:
        """Nodes that have just been silent for too long, and so are lost now; each is named once until it is heard."""
        lost = []
        while self._heard_s:
            name, heard_s = next(iter(self._heard_s.items()))
            if now_s - max(heard_s, self._deaf_until_s) <= SILENCE_S:
                break
            del self._heard_s[name]
            self.nodes[name].condition.silent = True
            self.nodes[name].workers.clear()  # should they live, they will present themselves again
            self.ever_lost.add(name)
            self.settle(name)
            lost.append(name)
        return lost

    def settle(self, name: str) -> None:
        """Bring a node's state into line with its condition."""
        node = self.nodes[name]
        condition = node.condition
        condition.workers = len(node.workers)
        state = settle(node.state, condition)
        if state is not node.state:
            self.changes.append((name, node.state, state))
            self.counts[node.state] -= 1
            self.counts[state] += 1
            node.state = state
            self.peak_ready = max(self.peak_ready, self.usable)
