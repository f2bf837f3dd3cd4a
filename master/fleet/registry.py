"""What the controller knows of each node. Pure: what happened and when are parameters."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping

from master.fleet.capacity import Capacity, full_capacity
from master.fleet.clocks import ClockMap
from master.fleet.states import HOT, USABLE, Condition, NodeState, settle
from worker.telemetry.conditions import HELD_DOWN, is_active
from worker.telemetry.pi.models import THROTTLE_FROM_C
from worker.wire.messages import Facts, Reading, Sample

SILENCE_S = 3.0
"""A node is lost when its agent, which is due every second, has been silent for so long."""
KEPT_READINGS = 10
MAX_BEYOND_S = 0.6
"""A node's second may reach so far beyond the one of the run that it counts for."""


def usable(counts: Mapping[NodeState, int]) -> int:
    """How many nodes can carry load, whatever their temperature."""
    return sum(counts[state] for state in USABLE)


class Node:
    """One node, with the telemetry of its last seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts: Facts | None = None
        self.workers: set[str] = set()
        self.latest_lag_ms: dict[str, float] = {}
        """The largest lag of the event loop of each worker in its latest second."""
        self.clock = ClockMap()
        self.wall_offset_s: float | None = None
        """By how much the node's wall clock is ahead of the controller's; None while it is not known."""
        self.condition = Condition()
        self.state = NodeState.JOINING
        self.capacity = Capacity()
        """What it is to carry, compared to others."""
        self._readings: deque[tuple[float, Reading]] = deque(maxlen=KEPT_READINGS)
        self._ahead: int | None = None
        """By how many seconds the run's count is ahead of the node's clock."""
        self._samples_ahead_s: float | None = None

    def forget_workers(self) -> None:
        """None of its workers is there any more."""
        self.workers.clear()
        self.latest_lag_ms.clear()

    @property
    def reading(self) -> Reading | None:
        """Its latest one; None before the first."""
        return self._readings[-1][1] if self._readings else None

    def restart_clock(self) -> None:
        """The agent is a new one, perhaps after a start of the whole node: what was known of its clock counts no more."""
        self.clock = ClockMap()
        self._ahead = None
        self._samples_ahead_s = None
        self.wall_offset_s = None

    def add(self, sample: Sample, now_s: float) -> float:
        """Take a sample in; returns when it was due, by the controller's clock."""
        self.clock.observe(sample.sent_s, now_s)
        due_s = self.clock.to_local(sample.due_s)
        reading = sample.reading
        self._readings.append((due_s, reading))
        return due_s

    def reading_at(self, at_s: float, *, within_s: float) -> Reading | None:
        """The reading taken nearest to `at_s`, None when there is none so near."""
        nearest = None
        for due_s, reading in reversed(self._readings):
            off_s = abs(due_s - at_s)
            if off_s <= within_s:
                nearest, within_s = reading, off_s
            elif nearest is not None:
                break  # they are in order of time
        return nearest

    @property
    def temperature_c(self) -> float | None:
        """By its latest reading; None where it is not known."""
        return self._readings[-1][1].temperature_c if self._readings else None

    def second_of_sample(self, due_s: float, began_s: float) -> int:
        """Which of the run's seconds a sample is of, that was due at `due_s` by the node's own clock.

        Samples are due at exact intervals, so the choice stays where the estimate of the clock wavers: else two of them would be of
        one second, and none of the next.
        """
        exact_s = self.clock.to_local(due_s) - began_s - due_s
        if self._samples_ahead_s is None or abs(exact_s - self._samples_ahead_s) > MAX_BEYOND_S:
            self._samples_ahead_s = exact_s
        return math.floor(due_s + self._samples_ahead_s)

    def second_of(self, second: int, began_s: float) -> int:
        """Which of the run's seconds, that began at `began_s`, a second of the node's monotonic clock counts for.

        It overlaps two of them. It is the one that has more of it, but where both have about half, the choice stays: else
        two of the node's seconds would count for one of the run's, and none for the next, whenever the estimate wavers.
        """
        exact = self.clock.to_local(second) - began_s - second
        if self._ahead is None or abs(exact - self._ahead) > MAX_BEYOND_S:
            self._ahead = round(exact)
        return second + self._ahead


class Registry:
    """All nodes of the fleet, by name. What is asked for once a second costs nothing for nodes that have not changed."""

    def __init__(
        self, names: Iterable[str], weights: Mapping[str, float] | None = None, *, simulated: bool | None = None
    ) -> None:
        """`weights` are what some of the nodes carry by the operator's will, in cores of a Pi 4, whatever they have measured.

        `simulated` says whether the nodes are simulated ones, where the controller knows; None: they report it themselves.
        """
        self.nodes = {name: Node(name) for name in names}
        self._weights = weights or {}
        self.counts = dict.fromkeys(NodeState, 0)
        """How many nodes are in each state."""
        self.counts[NodeState.JOINING] = len(self.nodes)
        self.expects_simulated = simulated
        self.simulated = bool(simulated)
        """Whether any node of the fleet is a simulated one."""
        self.ever_lost: set[str] = set()
        self.ever_quarantined: set[str] = set()
        self.peak_ready = 0
        self.touched: set[str] = set()
        """Nodes of which something that lasts has changed since the set was last emptied: state, capacity, wall clock."""
        self._hot: set[str] = set()  # too warm, or held down by their firmware
        self._reduced: set[str] = set()  # to carry less than they could when cool
        self.changes: list[tuple[str, NodeState, NodeState]] = []
        """Nodes that have changed their state since the list was last emptied: name, before, after."""
        self._contact_s: OrderedDict[str, float] = OrderedDict()  # the longest silent first
        self._late_poll_s = 0.0

    @property
    def usable(self) -> int:
        """How many nodes can carry load."""
        return usable(self.counts)

    def node_joined(self, name: str, facts: Facts, now_s: float) -> None:
        """An agent has joined for its node."""
        node = self.nodes[name]
        node.facts = facts
        node.capacity.set_full(self._weights.get(name) or full_capacity(facts))
        node.restart_clock()
        self.touched.add(name)
        self.simulated = self.simulated or facts.simulated
        self._note_contact(name, now_s)
        self._note(name, joined=True, left=False, silent=False, crashing=False)

    def sample(self, name: str, sample: Sample, now_s: float) -> float:
        """A sample has come; returns when it was due, by the controller's clock."""
        due_s = self.nodes[name].add(sample, now_s)
        reading = sample.reading
        self._note_contact(name, now_s)
        hot = (reading.temperature_c or 0.0) >= THROTTLE_FROM_C
        self._note(name, silent=False, throttled=is_active(reading.conditions_lately, HELD_DOWN), hot=hot)
        return due_s

    def note_contact(self, name: str, now_s: float) -> None:
        """An agent has given a sign of life."""
        self._note_contact(name, now_s)
        self._note(name, silent=False)

    def _note_contact(self, name: str, now_s: float) -> None:
        self._contact_s[name] = now_s
        self._contact_s.move_to_end(name)

    def worker_joined(self, name: str, worker: str) -> None:
        """A worker of the node has joined."""
        workers = self.nodes[name].workers
        workers.add(worker)
        self._note(name, workers=len(workers))

    def worker_left(self, name: str, worker: str) -> None:
        """A worker of the node has left."""
        workers = self.nodes[name].workers
        workers.discard(worker)
        self.nodes[name].latest_lag_ms.pop(worker, None)
        self._note(name, workers=len(workers))

    def node_left(self, name: str) -> None:
        """The node has left."""
        self._contact_s.pop(name, None)
        self.nodes[name].forget_workers()
        self._note(name, left=True, workers=0)

    def note_users(self, name: str, users: bool) -> None:
        """Whether users are ordered to run on the node."""
        self._note(name, users=users)

    def note_crashing(self, name: str, crashing: bool) -> None:
        """Whether the node's workers end again and again."""
        self._note(name, crashing=crashing)

    def clocks_off(self, by_s: float) -> dict[str, float]:
        """Nodes whose wall clock is off by more than `by_s`, and by how many seconds it is ahead of ours."""
        offsets = ((name, node.wall_offset_s) for name, node in self.nodes.items())
        return {name: offset_s for name, offset_s in offsets if offset_s is not None and abs(offset_s) > by_s}

    def note_late_poll(self, now_s: float) -> None:
        """The controller itself did not read messages until now: nodes do not count as silent for that time."""
        self._late_poll_s = now_s

    def adjust_capacities(self, now_s: float) -> Iterator[Node]:
        """Once a second: let hot nodes carry less, and cool ones more again; those whose capacity has changed."""
        for name in [*self._hot, *(self._reduced - self._hot)]:
            node = self.nodes[name]
            if node.state not in USABLE:
                continue  # nothing of it counts
            condition = node.condition
            if node.capacity.update(now_s, node.temperature_c, hot=condition.hot, throttled=condition.throttled):
                self.touched.add(name)
                (self._reduced.add if node.capacity.reduced else self._reduced.discard)(name)
                yield node

    def find_silent(self, now_s: float) -> list[str]:
        """Nodes that have just been silent for too long, and so are lost now; each is named once until its agent sends again."""
        lost = []
        while self._contact_s:
            name, contact_s = next(iter(self._contact_s.items()))
            if now_s - max(contact_s, self._late_poll_s) <= SILENCE_S:
                break
            del self._contact_s[name]
            self.nodes[name].forget_workers()  # should they live, they will join again
            self.ever_lost.add(name)
            self._note(name, silent=True, workers=0)
            lost.append(name)
        return lost

    def _note(self, name: str, **changes: bool | int) -> None:
        """Update a node's condition, and its state with it. Mostly nothing has changed."""
        node = self.nodes[name]
        condition = node.condition
        changed = False
        for what, value in changes.items():
            if getattr(condition, what) != value:
                setattr(condition, what, value)
                changed = True
        if changed:
            self._settle(node)

    def _settle(self, node: Node) -> None:
        """Bring a node's state into line with its condition."""
        state = settle(node.state, node.condition)
        if state is not node.state:
            self.changes.append((node.name, node.state, state))
            if state in HOT:
                self._hot.add(node.name)
            else:
                self._hot.discard(node.name)
            self.touched.add(node.name)
            if state is NodeState.QUARANTINED:
                self.ever_quarantined.add(node.name)
            self.counts[node.state] -= 1
            self.counts[state] += 1
            node.state = state
            self.peak_ready = max(self.peak_ready, self.usable)
