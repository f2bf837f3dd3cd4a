"""A rack: the process of many simulated nodes. `python -m worker.simulation.rack`, with RackOrders on standard input.

Each node has a real Locust worker and a real agent, on connections of their own. What is shared between the nodes is what one
machine has to share: the process, its event loop and its ZeroMQ contexts. How fast a Pi's cores would be is simulated
(`worker/simulation/slowed_recorder.py`): a node whose board could not keep up is slower than this machine.
"""

from __future__ import annotations

import locust  # noqa: F401  # first: it patches the standard library for gevent

# isort: split
import sys
import time
from typing import Any

import gevent
import zmq
from gevent import monkey

from worker.agent.agent import Agent, serve
from worker.load.process.workers import ProcessWorkers, begin, native_sleep, native_start_thread
from worker.simulation.boards import BOARDS
from worker.simulation.orders import RackNode, RackOrders
from worker.simulation.sensors import SimulatedSensors
from worker.simulation.shares import Shares
from worker.simulation.slowed_recorder import SlowedRecorder
from worker.simulation.virtual_cores import VirtualCores
from worker.wire.curve import end_context

_native_lock = monkey.get_original("_thread", "allocate_lock")


class Rack:
    """The nodes of one process."""

    def __init__(self, orders: RackOrders) -> None:
        self._orders = orders
        self._workers = ProcessWorkers(orders.endpoint, orders.work, len(orders.nodes))
        self._agents_context = zmq.Context()
        self._agents_context.set(zmq.MAX_SOCKETS, 4 * len(orders.nodes) + 64)
        self._shares = Shares()

    def run(self) -> None:
        """Serve until the controller has ended the run for every node."""
        agents = [self._start(node) for node in self._orders.nodes]
        # In a thread of their own, so that a user who keeps the event loop busy doesn't make a node look dead.
        agents_done = _native_lock()
        agents_done.acquire()
        native_start_thread(self._serve_agents, (agents, agents_done))
        self._workers.run(self._shares.run)
        while not agents_done.acquire(blocking=False):
            gevent.sleep(0.02)
        end_context(self._agents_context, start_thread=native_start_thread, sleep=gevent.sleep)
        self._workers.close()

    def _start(self, node: RackNode) -> Agent:
        """Start the node's worker; its agent, which is still to be served."""
        spec = node.worker
        cores = VirtualCores(BOARDS[node.board.board].cores, time.monotonic())
        recorder = SlowedRecorder(self._workers.lag, cores, open_model=self._orders.work.arrivals is not None)
        self._shares.add(recorder, cores, node.board)
        sensors = SimulatedSensors(node.board, load=cores, memory_bytes=lambda: self._shares.memory_bytes)
        agent = Agent(spec.node, self._orders.endpoint, spec.keys, sensors, context=self._agents_context)
        self._workers.start(spec, recorder, sensors)
        return agent

    @staticmethod
    def _serve_agents(agents: list[Agent], done: Any) -> None:
        try:
            serve(agents, sleep=native_sleep)
        finally:
            done.release()


def main() -> int:
    """Run a rack by the orders on standard input."""
    Rack(begin(RackOrders)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
