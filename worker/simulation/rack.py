"""The workers of one process: a rack of simulated nodes with their agents, or the one worker of a node whose agent started it.

Started as `python -m worker.simulation.rack`, with RackOrders on standard input. In a rack each node has a real Locust worker and a real
agent, on connections of their own. What is shared between the nodes
is what one machine has to share: the process, its event loop and its ZeroMQ context. How fast a Pi's cores would be is simulated
(`worker/simulation/slowed_recorder.py`): a node whose board could not keep up is slower than this machine.
"""

from __future__ import annotations

import locust  # noqa: F401  # first: it patches the standard library for gevent

# isort: split
import logging
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import gevent
import psutil
import zmq
import zmq.green
from gevent import monkey
from gevent.pool import Group
from locust.env import Environment

from worker.agent.agent import Agent, serve
from worker.load.catalogue import load_user_classes
from worker.load.events import WorkerEvents, share_global_events
from worker.load.gc_freeze import LongLived
from worker.load.locust_clients import track_requests
from worker.load.locust_options import worker_options
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.runner import FleetWorker
from worker.load.timerfd import exact_sleep
from worker.parent_watch import take_orders
from worker.simulation.boards import BOARDS
from worker.simulation.sensors import SimulatedSensors
from worker.simulation.slowed_recorder import SlowedRecorder
from worker.simulation.virtual_cores import VirtualCores
from worker.wire.curve import end_context
from worker.wire.orders import RackNode, RackOrders, SimulatedBoard

_native_thread = monkey.get_original("_thread", "start_new_thread")
_native_sleep = monkey.get_original("time", "sleep")
_native_lock = monkey.get_original("_thread", "allocate_lock")


ENOUGH_REQUESTS = 20
"""A second with fewer says little of what a request costs this process."""
MARKED_AT_ONCE = 25
"""Workers whose second is marked without a pause: some 0.1 ms."""
LATELY = 0.2
"""How much of what a request is taken to cost comes from the latest second."""


class _Share:
    """One node's part of what is used."""

    def __init__(self, recorder: Recorder, cores: VirtualCores, board: SimulatedBoard) -> None:
        self.recorder = recorder
        self.cores = cores
        model = BOARDS[board.board]
        self.factor = model.cpu_s_per_x86_cpu_s
        self.fixed = board.request_cpu_s is not None
        if board.request_cpu_s is not None:
            cores.request_s = board.request_cpu_s * model.cpu_s_per_pi4_cpu_s
        self.seen = 0

    def new_requests(self) -> int:
        """Requests since the last call."""
        new = self.recorder.requests_total - self.seen
        self.seen += new
        return new


class Shares:
    """Shares what this process uses out among its nodes: memory evenly, CPU time as one request a second plus their requests.

    The CPU is charged to the cores of the board that each node stands for: what its requests are taken to cost as they end,
    by what they have cost lately or by what the scenario says, and what is left once a second.
    """

    def __init__(self) -> None:
        self._shares: list[_Share] = []
        self._process = psutil.Process()
        self._request_s: float | None = None
        self.memory_bytes = 0
        """One node's share."""

    def add(self, recorder: Recorder, cores: VirtualCores, board: SimulatedBoard) -> None:
        """From now on a node that stands for `board` has a share, by what `recorder` counts."""
        self._shares.append(_Share(recorder, cores, board))

    def run(self) -> None:
        """Share out once a second, at its end, for ever."""
        before_s = time.process_time()
        while True:
            self.memory_bytes = self._process.memory_info().rss // len(self._shares)
            gevent.sleep(1 - time.monotonic() % 1)
            used_s = time.process_time()
            self.charge(used_s - before_s, time.monotonic())
            before_s = used_s

    def charge(self, used_s: float, now_s: float) -> None:
        """Share out the CPU seconds used since the last call."""
        requests = [share.new_requests() for share in self._shares]
        part_s = used_s / (len(requests) + sum(requests))
        for share, ended in zip(self._shares, requests, strict=True):
            charged = ended if share.fixed else ended * share.cores.request_s / (share.factor * part_s or 1.0)
            share.cores.take(now_s, max(0.0, 1 + ended - charged) * part_s * share.factor)
            share.cores.mark(now_s)
        if sum(requests) >= ENOUGH_REQUESTS:
            before_s = part_s if self._request_s is None else self._request_s
            self._request_s = before_s + LATELY * (part_s - before_s)
        for share in self._shares:
            if self._request_s is not None and not share.fixed:
                share.cores.request_s = self._request_s * share.factor


def mark_seconds(workers: Sequence[FleetWorker]) -> None:
    """At the end of each second have every worker keep how many users it runs and what is in flight, for ever.

    One greenlet does it for all workers of a process, and lets others have a turn between a few of them.
    """
    while True:
        gevent.sleep(1 - time.monotonic() % 1)
        for index, worker in enumerate(list(workers)):
            if index % MARKED_AT_ONCE == MARKED_AT_ONCE - 1:
                gevent.sleep(0)
            worker.recorder.mark(len(worker.user_greenlets))


class Rack:
    """The nodes of one process."""

    def __init__(self, orders: RackOrders) -> None:
        self._orders = orders
        share_global_events()
        self._users = load_user_classes(orders.work.users, orders.work.locustfile)
        self._options = worker_options(orders.work)
        self._context = zmq.green.Context()
        self._agents_context = zmq.Context()
        self._agents_context.set(zmq.MAX_SOCKETS, 4 * len(orders.nodes) + 64)
        self._context.set(zmq.MAX_SOCKETS, 4 * len(orders.nodes) + 64)
        self._lag = LoopLag()
        self._shares = Shares()
        self._workers: list[FleetWorker] = []

    def run(self) -> None:
        """Serve until the controller has ended the run for every node."""
        nodes = Group()
        agents = []
        for node in self._orders.nodes:
            recorder: Recorder
            if self._orders.agents:
                assert node.board is not None
                cores = VirtualCores(BOARDS[node.board.board].cores, time.monotonic())
                recorder = SlowedRecorder(self._lag, cores)
                self._shares.add(recorder, cores, node.board)
                agents.append(self._agent(node, node.board, cores))
            else:
                recorder = Recorder(self._lag)
            nodes.spawn(self._work, node, recorder)
        # In a thread of their own, so that a user who keeps the event loop busy doesn't make a node look dead.
        agents_done = _native_lock()
        agents_done.acquire()
        _native_thread(self._serve_agents, (agents, agents_done))
        long_lived = LongLived(lambda: sum(len(worker.user_greenlets) for worker in self._workers))
        helpers = [
            gevent.spawn(self._lag.run, exact_sleep()),
            gevent.spawn(long_lived.run, gevent.sleep),
            gevent.spawn(mark_seconds, self._workers),
        ]
        if agents:
            helpers.append(gevent.spawn(self._shares.run))
        nodes.join(raise_error=True)
        gevent.killall(helpers)
        while not agents_done.acquire(blocking=False):
            gevent.sleep(0.02)
        end_context(self._agents_context, start_thread=_native_thread, sleep=gevent.sleep)
        end_context(self._context, start_thread=_native_thread, sleep=gevent.sleep)

    @staticmethod
    def _serve_agents(agents: list[Agent], done: Any) -> None:
        try:
            serve(agents, sleep=_native_sleep)
        finally:
            done.release()

    def _agent(self, node: RackNode, board: SimulatedBoard, cores: VirtualCores) -> Agent:
        sensors = SimulatedSensors(board, load=cores, memory_bytes=lambda: self._shares.memory_bytes)
        return Agent(node.name, self._orders.endpoint, node.keys, sensors, context=self._agents_context)

    def _work(self, node: RackNode, recorder: Recorder) -> None:
        work = self._orders.work
        events = WorkerEvents(recorder)
        environment = Environment(
            user_classes=list(self._users),
            host=work.host,
            events=events,
            stop_timeout=work.stop_timeout_s,
            parsed_options=Namespace(**vars(self._options)),
            locustfile=self._options.locustfile,
            parsed_locustfiles=[] if work.locustfile is None else [work.locustfile],
            available_user_classes={user_class.__name__: user_class for user_class in self._users},
        )
        environment.stats = recorder
        environment.seed = work.seed
        environment.first_account = node.number
        worker = environment._create_runner(  # noqa: SLF001  # the documented way to use a runner class of one's own
            FleetWorker,
            context=self._context,
            endpoint=self._orders.endpoint,
            keys=node.keys,
            node=node.name,
            index=node.index,
            run=work.run,
            phase=node.number * 0.618034 % 1,
        )
        self._workers.append(worker)
        try:
            events.init.fire(environment=environment, runner=worker, web_ui=None)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a locustfile raises; it must not end the others
            events.note_failure("init", error)
        if events.failures:
            worker.halt(f"a listener of init failed: {events.failures[0]}")
        else:
            worker.present()
        worker.wait_until_told_to_quit()


def main() -> int:
    """Run a rack by the orders on standard input."""
    track_requests()
    orders = take_orders(RackOrders, _native_thread, _native_sleep)
    logging.getLogger().setLevel(logging.INFO)  # as Locust's command does, for what a locustfile has to say
    Rack(orders).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
