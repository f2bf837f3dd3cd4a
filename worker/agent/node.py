"""The agent of the machine that it runs on, for one run: `python -m worker.agent.node`, with NodeOrders on standard input.

It lives as long as the run. A node of a standing fleet has an agent that waits for runs (worker/agent/service.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import zmq

from worker.agent.agent import Agent, serve
from worker.agent.assigned_workers import AssignedWorkers
from worker.agent.calibration import calibrate, state_folder
from worker.agent.priority import raise_priority
from worker.agent.signal_pipe import catch_sigterm, open_signal_pipe
from worker.agent.supervisor import Supervisor
from worker.parent_watch import read_orders
from worker.project.cache import ProjectCache
from worker.telemetry.sensors import MachineSensors, Sensors
from worker.wire.curve import end_context
from worker.wire.orders import NodeOrders


def run_agent(orders: NodeOrders, sensors: Sensors, supervisor: Supervisor, terminated: Callable[[], bool]) -> None:
    """Serve as the node's agent until the controller ends the run, or `terminated` returns true."""
    cache = ProjectCache.of_node(state_folder(os.environ))
    cache.clean()
    context = zmq.Context()
    workers = AssignedWorkers(orders.node, orders.endpoint, orders.keys, supervisor, cache)
    agent = Agent(orders.node, orders.endpoint, orders.keys, sensors, context=context, workers=workers)
    with open_signal_pipe() as wakeup_fd:
        serve([agent], until=terminated, wakeup_fd=wakeup_fd)
    end_context(context)


def main() -> int:
    """Run an agent by the orders on standard input, until the controller or SIGTERM ends it."""
    orders = read_orders(NodeOrders)
    terminated = catch_sigterm()
    priority = raise_priority()  # before ZeroMQ starts its threads, so that they have it too
    sensors = MachineSensors()
    if orders.carries_load:
        calibrate(sensors, state_folder(os.environ))
    run_agent(orders, sensors, Supervisor(priority), terminated)
    return 0


if __name__ == "__main__":
    sys.exit(main())
