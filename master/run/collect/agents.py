"""The controller's conversation with the agents: who joins, what their clocks say, whose workers end."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec.structs import replace

from master.fleet.node_checks import credible_facts
from master.fleet.refusals import Refusals
from master.fleet.registry import Node, Registry
from master.fleet.states import USABLE
from master.project.archive.parts import ProjectParts
from master.run.collect.node_logs import NodeLogs
from master.run.real_nodes.module_check import ModuleCheck
from master.store import CONTROLLER, Store
from worker import __version__
from worker.printable import printable
from worker.wire.bounds import MAX_WORKERS
from worker.wire.messages import (
    AgentMessage,
    Assign,
    ClockReply,
    ClockRequest,
    ControllerMessage,
    Hello,
    HelloRequest,
    Leave,
    ProjectRequest,
    Sample,
    Welcome,
    WorkerEnded,
    WorkerOutput,
    WorkerRecovered,
)
from worker.wire.work import Assignment

CLOCK_REQUEST_INTERVAL_S = 5
"""How often each agent is asked for its clocks."""
MAX_ROUND_TRIP_S = 60.0
MIN_OFFSET_CHANGE_S = 0.01
"""A change of a wall clock's offset that is worth storing."""
CLOCK_SET_S = 1.0
"""A node's wall clock that moves by more than this between two answers was set."""
HELLO_REQUEST_INTERVAL_S = 1.0
"""How often an unknown agent is asked for its Hello."""


class EventLog(Protocol):
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
        log: EventLog,
        send: Callable[[str, ControllerMessage], None],
        *,
        refusals: Refusals,
    ) -> None:
        """`send` sends a message to a node's agent; nodes sample every `period_s`."""
        self.controller = Node(CONTROLLER)
        self.ended_workers: set[str] = set()
        """Workers that ended, as their agents report; whoever acts on it empties the set."""
        self.restarts = 0
        """How many of them are started again."""
        self.last_end = ""
        """Which worker ended last, and how; empty while none has."""
        self.dropped: Counter[str] = Counter()
        self._registry = registry
        self._store = store
        self._period_s = period_s
        self._log = log
        self._send = send
        self._refusals = refusals
        self._clocks_due: deque[str] = deque()
        self._hello_requested_s: dict[str, float] = {}
        self._assignments: Mapping[str, Assignment] = {}
        self._ended = False
        self.modules: ModuleCheck | None = None
        """What the project needs of a node before it gets work; None where it needs nothing."""
        self.parts: ProjectParts | None = None
        """The project that nodes fetch; None where they need none."""
        self.logs: NodeLogs | None = None
        """Where what their workers print is kept; None: nowhere."""

    def assign(self, assignments: Mapping[str, Assignment]) -> None:
        """From now on the workers of these nodes have this to do; of those that are here already, at once."""
        self._assignments = assignments
        for name in assignments:
            if self._registry.nodes[name].facts is not None:
                self._send_assignment(name)

    def forget(self, name: str) -> None:
        """Nothing more is expected of a node."""
        self._assignments = {node: assignment for node, assignment in self._assignments.items() if node != name}

    def workers_missing(self) -> int:
        """How many workers are assigned and have not joined."""
        return sum(self._missing_of(name, assignment) for name, assignment in self._assignments.items())

    def _missing_of(self, name: str, assignment: Assignment) -> int:
        node = self._registry.nodes[name]
        cores = 1 if node.facts is None else min(node.facts.cpu_count, MAX_WORKERS)
        return max(0, (assignment.workers or cores) - len(node.workers))

    def unfinished_logs(self) -> set[str]:
        """Nodes that are there, and have not sent the last that their workers print."""
        there = {name for name in self._assignments if self._registry.nodes[name].state in USABLE}
        return set() if self.logs is None else there - self.logs.finished

    def end(self) -> None:
        """The run is over: agents that join now, as those do that wait for another one, are ignored."""
        self._ended = True
        if self.parts is not None:
            self.parts.close()

    def receive(self, name: str, message: AgentMessage, now_s: float) -> Sample | None:
        """Act on a message of an agent; a sample is handed back, if its node is known."""
        node = self.controller if name == CONTROLLER else self._registry.nodes[name]
        if isinstance(message, WorkerOutput):  # also when the run is over: these are its last words
            if self.logs is not None and name in self._assignments and node.facts is not None:
                self.logs.add(node, message, now_s)
            return None
        if self._ended:
            return None
        if isinstance(message, Hello):
            self._on_hello(node, message, now_s)
            return None
        if node.facts is None:
            self._request_hello(name, now_s)
            return None
        if isinstance(message, Sample):
            return message
        if isinstance(message, ClockReply):
            self._on_clock_reply(node, message, now_s)
        if name != CONTROLLER:
            self._on_node(name, message, now_s)
        return None

    def _on_hello(self, node: Node, hello: Hello, now_s: float) -> None:
        own = node is self.controller
        facts, refused = credible_facts(hello.facts, simulated=None if own else self._registry.expects_simulated)
        for value in refused:
            self._refusals.note(node.name, value.reason, value.detail)
        if own:
            node.facts = facts
        else:
            self._registry.node_joined(node.name, facts, now_s)
        self._store.put_node(node.name, replace(facts, modules=None))  # long, and of no use to a reader of the run
        if facts.piswarm != __version__:
            versions = f"it runs piswarm {facts.piswarm}, the controller {__version__}: deploy the controller's to it"
            self._log.event("other version", node.name, versions)
        self._send(node.name, Welcome(self._period_s))
        self._send_assignment(node.name)
        self._send(node.name, ClockRequest(now_s))

    def _send_assignment(self, name: str) -> None:
        if name not in self._assignments:
            return
        lacking = [] if self.modules is None else self.modules.lacking(self._registry.nodes[name].facts)
        if lacking:
            self._log.event("lacks packages", name, f"it gets no work: {', '.join(lacking)} not installed")
            return
        self._send(name, Assign(self._assignments[name]))

    def _request_hello(self, name: str, now_s: float) -> None:
        """It was another controller's until now. What it had to say is late by an unknown time, and left."""
        if now_s - self._hello_requested_s.get(name, 0.0) > HELLO_REQUEST_INTERVAL_S:
            self._hello_requested_s[name] = now_s
            self._send(name, HelloRequest())

    def _on_clock_reply(self, node: Node, answer: ClockReply, now_s: float) -> None:
        passed_s = now_s - answer.asked_s
        if not 0 <= passed_s < MAX_ROUND_TRIP_S:
            self.dropped["a clock reply that was not requested"] += 1
            return
        node.clock.observe_reply(answer.asked_s, answer.answered_s, now_s)
        if passed_s > CLOCK_SET_S:
            return  # it may be wrong by half of that, which is no news of the wall clock
        offset_s = answer.wall_s - (time.time() - passed_s / 2)
        before_s, node.wall_offset_s = node.wall_offset_s, offset_s
        if node is not self.controller and (before_s is None or abs(offset_s - before_s) > MIN_OFFSET_CHANGE_S):
            self._registry.touched.add(node.name)
        if before_s is not None and abs(offset_s - before_s) > CLOCK_SET_S:
            moved = f"its wall clock moved by {offset_s - before_s:+.1f} s against ours"
            self._log.event("clock set", node.name, moved)

    def _on_node(self, name: str, message: AgentMessage, now_s: float) -> None:
        if isinstance(message, Leave):
            self._registry.node_left(name)
            return
        self._registry.note_contact(name, now_s)
        if isinstance(message, ProjectRequest):
            if self.parts is not None and name in self._assignments:
                refused = self.parts.request(name, message, now_s)
                if refused is not None:
                    self._refusals.note(name, refused)
        elif isinstance(message, WorkerEnded):
            self._on_worker_ended(name, message)
        elif isinstance(message, WorkerRecovered) and _is_worker_of(name, message.worker):
            self._registry.note_crashing(name, crashing=False)
            self._log.event("worker recovered", name, f"{message.worker} stays up")

    def _on_worker_ended(self, name: str, end: WorkerEnded) -> None:
        if not _is_worker_of(name, end.worker):
            self._refusals.note(name, "an end of another node's worker")
            return
        how = printable(end.how)
        self.ended_workers.add(end.worker)
        self.last_end = f"{end.worker}: {how}"
        self.restarts += 1
        self._registry.worker_left(name, end.worker)
        self._registry.note_crashing(name, crashing=end.crashing)
        again = "it ends again and again; " if end.crashing else ""
        self._log.event("worker ended", name, f"{end.worker}: {how}; {again}started again in {end.restart_in_s:.1f} s")

    def request_clocks(self) -> None:
        """Once a second: ask a part of the agents for their clocks, so that all are asked within CLOCK_REQUEST_INTERVAL_S."""
        if self.parts is not None:
            self.parts.poll(time.monotonic())
        count = len(self._registry.nodes) + 1
        if not self._clocks_due:
            self._clocks_due.extend([CONTROLLER, *self._registry.nodes])
        for _ in range(min(len(self._clocks_due), -(-count // CLOCK_REQUEST_INTERVAL_S))):
            name = self._clocks_due.popleft()
            if (self.controller if name == CONTROLLER else self._registry.nodes[name]).facts is not None:
                self._send(name, ClockRequest(time.monotonic()))


def _is_worker_of(node: str, worker: str) -> bool:
    return worker in {f"{node}_{number}" for number in range(MAX_WORKERS)}
