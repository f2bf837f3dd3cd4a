"""The controller's conversation with the agents: who presents itself, whose clock says what, whose workers end."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Protocol

from master.fleet.node_checks import credible_facts
from master.fleet.refusals import Refusals
from master.fleet.registry import Node, Registry
from master.store import CONTROLLER, Store
from worker import __version__
from worker.printable import printable
from worker.wire.messages import (
    MAX_WORKERS,
    AgentMessage,
    Assign,
    Assignment,
    ClockReply,
    ClockRequest,
    ControllerMessage,
    Goodbye,
    Hello,
    HelloRequest,
    Sample,
    Welcome,
    WorkerEnded,
    WorkerRecovered,
)

QUESTION_INTERVAL_S = 5
"""How often each agent is asked for its clocks."""
MAX_ANSWER_S = 60.0
OFFSET_TOLD_S = 0.01
"""A change of a wall clock's offset that is worth telling."""
CLOCK_SET_S = 1.0
"""A node's wall clock that moves by more than this between two answers was set."""
PRESENT_INTERVAL_S = 1.0
"""How often an agent that nobody knows is asked to present itself."""


class Log(Protocol):
    """Where what is worth keeping goes."""

    def event(self, kind: str, node: str | None, detail: str) -> None:
        """Something happened."""


class Agents:
    """All agents of the fleet, and the one of the controller's own machine."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        period_s: float,
        log: Log,
        tell: Callable[[str, ControllerMessage], None],
        *,
        refusals: Refusals,
    ) -> None:
        """`tell` sends a message to a node's agent; nodes sample every `period_s`."""
        self.controller = Node(CONTROLLER)
        self.ended_workers: set[str] = set()
        """Workers of which their agents have said that they ended; whoever acts on it empties the set."""
        self.restarts = 0
        """How many of them are started again."""
        self.last_end = ""
        """Which worker ended last, and how; empty while none has."""
        self.dropped: Counter[str] = Counter()
        self._registry = registry
        self._store = store
        self._period_s = period_s
        self._log = log
        self._tell = tell
        self._refusals = refusals
        self._due_to_ask: deque[str] = deque()
        self._asked_to_present_s: dict[str, float] = {}
        self._assignments: Mapping[str, Assignment] = {}
        self._ended = False

    def assign(self, assignments: Mapping[str, Assignment]) -> None:
        """From now on the workers of these nodes have this to do; of those that are here already, at once."""
        self._assignments = assignments
        for name in assignments:
            if self._registry.nodes[name].facts is not None:
                self._tell_assignment(name)

    def forget(self, name: str) -> None:
        """Nothing more is expected of a node."""
        self._assignments = {node: assignment for node, assignment in self._assignments.items() if node != name}

    def workers_missing(self) -> int:
        """How many workers have been assigned and have not come."""
        return sum(self._missing_of(name, assignment) for name, assignment in self._assignments.items())

    def _missing_of(self, name: str, assignment: Assignment) -> int:
        node = self._registry.nodes[name]
        cores = 1 if node.facts is None else min(node.facts.cpu_count, MAX_WORKERS)
        return max(0, (assignment.workers or cores) - len(node.workers))

    def end(self) -> None:
        """The run is over: who presents itself now, as agents do that wait for another one, is not taken in."""
        self._ended = True

    def hear(self, name: str, message: AgentMessage, now_s: float) -> Sample | None:
        """Act on what an agent says; a sample is handed back, if its node is known."""
        node = self.controller if name == CONTROLLER else self._registry.nodes[name]
        if self._ended:
            return None
        if isinstance(message, Hello):
            self._welcome(node, message, now_s)
            return None
        if node.facts is None:
            self._ask_to_present(name, now_s)
            return None
        if isinstance(message, Sample):
            return message
        if isinstance(message, ClockReply):
            self._on_answer(node, message, now_s)
        if name != CONTROLLER:
            self._on_node(name, message, now_s)
        return None

    def _welcome(self, node: Node, hello: Hello, now_s: float) -> None:
        own = node is self.controller
        facts, doubts = credible_facts(hello.facts, simulated=None if own else self._registry.expects_simulated)
        for doubt in doubts:
            self._refusals.note(node.name, doubt.reason, doubt.detail)
        if own:
            node.facts = facts
        else:
            self._registry.welcome(node.name, facts, now_s)
        self._store.put_node(node.name, facts)
        if facts.piswarm != __version__:
            versions = f"it runs piswarm {facts.piswarm}, the controller {__version__}: deploy the controller's to it"
            self._log.event("other version", node.name, versions)
        self._tell(node.name, Welcome(self._period_s))
        self._tell_assignment(node.name)
        self._tell(node.name, ClockRequest(now_s))

    def _tell_assignment(self, name: str) -> None:
        if name in self._assignments:
            self._tell(name, Assign(self._assignments[name]))

    def _ask_to_present(self, name: str, now_s: float) -> None:
        """It was another controller's until now. What it had to say is late by an unknown time, and left."""
        if now_s - self._asked_to_present_s.get(name, 0.0) > PRESENT_INTERVAL_S:
            self._asked_to_present_s[name] = now_s
            self._tell(name, HelloRequest())

    def _on_answer(self, node: Node, answer: ClockReply, now_s: float) -> None:
        passed_s = now_s - answer.asked_s
        if not 0 <= passed_s < MAX_ANSWER_S:
            self.dropped["an answer to what was not asked"] += 1
            return
        node.clock.observe_answer(answer.asked_s, answer.answered_s, now_s)
        if passed_s > CLOCK_SET_S:
            return  # it may be wrong by half of that, which is no news of the wall clock
        offset_s = answer.wall_s - (time.time() - passed_s / 2)
        before_s, node.wall_offset_s = node.wall_offset_s, offset_s
        if node is not self.controller and (before_s is None or abs(offset_s - before_s) > OFFSET_TOLD_S):
            self._registry.touched.add(node.name)
        if before_s is not None and abs(offset_s - before_s) > CLOCK_SET_S:
            moved = f"its wall clock moved by {offset_s - before_s:+.1f} s against ours"
            self._log.event("clock set", node.name, moved)

    def _on_node(self, name: str, message: AgentMessage, now_s: float) -> None:
        if isinstance(message, Goodbye):
            self._registry.left(name)
            return
        self._registry.note_contact(name, now_s)
        if isinstance(message, WorkerEnded):
            self._on_worker_ended(name, message)
        elif isinstance(message, WorkerRecovered) and _is_worker_of(name, message.worker):
            self._registry.note_crashing(name, crashing=False)
            self._log.event("worker mended", name, f"{message.worker} stays")

    def _on_worker_ended(self, name: str, end: WorkerEnded) -> None:
        if not _is_worker_of(name, end.worker):
            self.dropped["an end of another node's worker"] += 1
            return
        how = printable(end.how)
        self.ended_workers.add(end.worker)
        self.last_end = f"{end.worker}: {how}"
        self.restarts += 1
        self._registry.worker_went(name, end.worker)
        self._registry.note_crashing(name, crashing=end.crashing)
        again = "it ends again and again; " if end.crashing else ""
        self._log.event("worker ended", name, f"{end.worker}: {how}; {again}started again in {end.again_in_s:.1f} s")

    def ask_for_clocks(self) -> None:
        """Once a second: ask a part of the agents, so that all are asked within QUESTION_INTERVAL_S."""
        count = len(self._registry.nodes) + 1
        if not self._due_to_ask:
            self._due_to_ask.extend([CONTROLLER, *self._registry.nodes])
        for _ in range(min(len(self._due_to_ask), -(-count // QUESTION_INTERVAL_S))):
            name = self._due_to_ask.popleft()
            if (self.controller if name == CONTROLLER else self._registry.nodes[name]).facts is not None:
                self._tell(name, ClockRequest(time.monotonic()))


def _is_worker_of(node: str, worker: str) -> bool:
    return worker in {f"{node}_{number}" for number in range(MAX_WORKERS)}
