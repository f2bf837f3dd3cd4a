"""A run of any length in little time: the controller's own parts, by a clock that is moved, and nodes that are played.

Nothing goes over the wire; what the master sends is with its node at once, and what nodes say is handed to the master.
"""

from __future__ import annotations

import gc
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count, cycle, islice
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple, Self

import gevent
from gevent.event import Event
from held import Held, held
from locust.env import Environment
from locust.rpc import Message
from played_nodes import DELAY_S, RUN, WALL_AHEAD_S, PlayedNode, Traffic
from rich.console import Console

from master.fleet.master import FleetMaster
from master.fleet.registry import Registry
from master.fleet.server import AGENT
from master.run.collect.collector import Collector
from master.run.live_view import create_view
from master.run.monitor import Monitor
from master.run.processes.local import LocalProcesses, node_names
from master.run.stop import StopRequest
from master.scenario import ExpectedNodes, Scenario, Stage, parse_threshold
from master.store import CONTROLLER, Store
from worker.load.locustfile.catalogue import load_user_classes
from worker.wire.messages import AgentMessage, ControllerMessage, node_of
from worker.wire.work import UserShare

HOUR_S = 3600.0
CALM_S = 20.0
"""How long time goes on by seconds before an hour is over: long enough to fill all that is kept of the latest seconds."""
AWAY_S = 20.0
TROUBLE_S = 20.0
"""How often each kind of trouble comes, at most."""
ORDERED_S = 30.0
"""How long the master may really take to give its orders."""
SHARES = {"ApiUser": UserShare(weight=1)}
RULES = ("errors < 50 % over 10s, abort", "errors < 50 %, abort", "GET /0 errors < 50 % over 30s, abort")
"""They need all that a rule can: a window, none, an endpoint of its own. None of them ever breaks."""


class Troubles(NamedTuple):
    """What goes wrong again and again, each with some node."""

    lost: bool = True
    """A node falls silent, and comes back."""
    clocks: bool = True
    """A node's wall clock is set."""
    restarts: bool = True
    """A worker ends, and is started again."""


class _Port:
    """In place of the master's port."""

    def __init__(self, nodes: Mapping[str, PlayedNode]) -> None:
        self.drops: Counter[str] = Counter()
        self._nodes = nodes

    def send_to_agent(self, node: str, message: ControllerMessage) -> None:
        self._nodes[node].on_agent_told(message)

    def send_to_worker(self, worker: str, kind: str, data: Any = None) -> None:
        self._nodes[node_of(worker)].on_worker_told(kind, data)

    def send_to_client(self, message: Message) -> None:
        self.send_to_worker(message.node_id, message.type, message.data)

    @staticmethod
    def recv_from_client() -> None:
        Event().wait()


class PlayedRun:
    """A run in its one hold, wired as `master.run.run` does it. A context manager: time is its own within the block."""

    def __init__(
        self,
        path: Path,
        *,
        nodes: int,
        traffic: Traffic,
        step_s: float,
        reporters: int,
        troubles: Troubles,
        users_per_node: int = 2,
    ) -> None:
        """`path` is where its run.db goes. With fewer than five nodes, trouble may befall all at once, which ends a run.

        Time goes on by about `step_s` seconds, with a sample of every node and the reports of `reporters`, in turn.
        """
        self.now_s = self._due_s = 1000.0
        self.samples = self.lost = 0
        """Samples that nodes have sent, and how often one fell silent."""
        self._step_s = step_s
        self._reporters = reporters
        self._troubles = troubles
        numbers, bodies = count(1), traffic.bodies(Random(nodes))
        names = node_names(nodes)
        self._played = {name: PlayedNode(name, traffic, bodies, numbers) for name in [CONTROLLER, *names]}
        self._own = self._played[CONTROLLER]
        self.nodes = [self._played[name] for name in names]
        self._turns = cycle(self.nodes)
        self._random = Random(1)
        self._away: dict[str, float] = {}
        """When each node that is silent comes back."""
        self._trouble_s = self.now_s + TROUBLE_S
        self._stack = ExitStack()
        self._path = path
        self._scenario = Scenario(
            "played",
            "http://127.0.0.1:9",
            SHARES,
            (Stage(users=users_per_node * nodes, spawn_rate=float(users_per_node * nodes), hold_s=1e6),),
            nodes=ExpectedNodes(nodes, 1),
            thresholds=tuple(parse_threshold(rule) for rule in RULES),
            sample_period_s=step_s,
        )

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_time_is(lambda: self.now_s))
            self.store = Store(self._path, create=True)
            stack.callback(self.store.close)
            self.registry = Registry(node.name for node in self.nodes)
            port = self._port = _Port(self._played)
            self.collector = Collector(self.store, self.registry, self._scenario, send=port.send_to_agent)
            environment = Environment(user_classes=load_user_classes(SHARES), host=self._scenario.target)
            with warnings.catch_warnings():
                # The port that Locust opens first, and the master closes at once, leaves its context to the garbage collector.
                warnings.simplefilter("ignore", ResourceWarning)
                self.master = environment._create_runner(
                    FleetMaster, server=port, listener=self.collector, shares=self._scenario.users, run=RUN
                )
                gc.collect()
            stack.callback(self.master.close)
            view, self.stop = create_view(Console(quiet=True), "played"), StopRequest()
            self._watch = Monitor(
                scenario=self._scenario,
                registry=self.registry,
                master=self.master,
                collector=self.collector,
                processes=LocalProcesses(self._path.parent),
                view=view,
                stop=self.stop,
                run="played",
                metrics=None,
            )
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def held(self) -> Held:
        """How much the controller holds; the nodes are not its own."""
        return held([self.collector, self.registry, self.master, self.store, self._watch], beyond=[self._port])

    def _begin(self) -> None:
        """All nodes join, and the first hold begins."""
        self.step(1.0)
        self.step(1.0)
        assert self.registry.usable == len(self.nodes)
        self.collector.begin()
        stage = self._scenario.load[0]
        ramp = self.master.ramp_to(stage.users, stage.spawn_rate)
        gevent.sleep(0)  # it begins now, so that all its users are due after the next step
        self.step(1.0)
        with gevent.Timeout(ORDERED_S):
            while not all(node.users for node in self.nodes):
                gevent.sleep(0.01)
        self.step(1.0, len(self.nodes))
        ramp.get()
        self.collector.progress.hold_started(self.collector.offset_s())

    def hour(self) -> None:
        """An hour passes. Trouble ends a little before, and the last seconds go by one by one, as at the end of any look."""
        steps = round((HOUR_S - CALM_S) / self._step_s)
        for step in range(steps):
            if step < steps - 4:
                self._make_trouble()
            self.step((HOUR_S - CALM_S) / steps)
        for _ in range(int(CALM_S)):
            self.step(1.0)
        assert not self.stop.requested, self.stop.reason
        assert self.registry.usable == len(self.nodes)

    def step(self, seconds: float, reporters: int | None = None) -> None:
        """So much time passes, at the end of which nodes say what is due, and the controller looks."""
        self._due_s += seconds
        self.now_s = self._due_s
        back = [self._played[name] for name, until_s in self._away.items() if until_s <= self.now_s]
        for node in back:
            node.comes_back()
            del self._away[node.name]
        there = [node for node in self.nodes if node.name not in self._away]
        self.samples += len(there)
        for node in [self._own, *there]:
            self._from_agent(node, node.agent_says(self.now_s))
        for node in there:
            ready = node.presents()
            if ready is not None:
                self._from_worker(node, "client_ready", ready)
        for node in [*islice(self._turns, self._reporters if reporters is None else reporters), *back]:
            if node.name not in self._away:
                self.report(node)
        self._watch._poll(self.now_s)
        self.now_s += 2 * DELAY_S  # and what the look has asked is answered
        for node in [self._own, *there]:
            self._from_agent(node, node.answers(self.now_s))

    def report(self, node: PlayedNode) -> None:
        """The node's worker reports."""
        self._from_worker(node, "stats", node.reports(self.now_s))

    def _make_trouble(self) -> None:
        if self.now_s < self._trouble_s:
            return
        self._trouble_s += TROUBLE_S
        if self._troubles.lost:
            self.lost += 1
            self._away[self._random.choice(self.nodes).name] = self.now_s + max(AWAY_S, 1.5 * self._step_s)
        if self._troubles.clocks:
            self._random.choice(self.nodes).set_wall_clock()
        if self._troubles.restarts:
            node = self._random.choice(self.nodes)
            self._from_agent(node, [node.restart()])

    def _from_agent(self, node: PlayedNode, messages: Sequence[AgentMessage]) -> None:
        for message in messages:
            self.master.handle_message(node.name, Message(AGENT, message, node.name))

    def _from_worker(self, node: PlayedNode, kind: str, data: Any) -> None:
        self.master.handle_message(node.worker, Message(kind, data, node.worker))


@contextmanager
def _time_is(read: Callable[[], float]) -> Iterator[None]:
    """Every module of the controller that asks for the time gets this one."""
    played = SimpleNamespace(monotonic=read, time=lambda: WALL_AHEAD_S + read())
    modules = [module for name, module in sys.modules.items() if name.startswith("master.")]
    asking = [module for module in modules if vars(module).get("time") is time]
    for module in asking:
        module.time = played
    try:
        yield
    finally:
        for module in asking:
            module.time = time
