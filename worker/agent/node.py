"""The agent of a run's own node: answers for it, and keeps its workers alive. `python -m worker.agent.node`, with NodeOrders on standard input.

It lives as long as the run. A node of a standing fleet has an agent that waits for runs (worker/agent/service.py).

A simulated node that has processes of its own has the thermal model alone: heat changes what it tells, not how fast its worker
is, which runs as fast as this machine lets it (`worker/simulation/virtual_cores.py` is for racks).
"""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import zmq

from worker.agent.agent import Agent, serve
from worker.agent.assigned_workers import AssignedWorkers
from worker.agent.calibration import state_folder
from worker.agent.priority import raised, unraised
from worker.agent.signal_pipe import woken_by_signals
from worker.agent.supervisor import Supervisor
from worker.parent_watch import take_orders
from worker.simulation.boards import BOARDS
from worker.simulation.sensors import MeasuredLoad, SimulatedSensors
from worker.telemetry.sensors import MachineSensors, Sensors
from worker.wire.curve import end_context
from worker.wire.orders import NodeOrders


class _Used:
    """What the node's own processes use of this machine: for a simulated node, whose sensors can't measure the whole of it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._seen: dict[int, float] = {}

    def _processes(self) -> list[psutil.Process]:
        found = []
        for pid in [os.getpid(), *self._supervisor.pids]:
            try:
                found.append(psutil.Process(pid))
            except psutil.NoSuchProcess:
                continue
        return found

    def cpu_s(self) -> float:
        """CPU seconds, those of workers that have ended included."""
        for process in self._processes():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            self._seen[process.pid] = times.user + times.system
        return sum(self._seen.values())

    def memory_bytes(self) -> int:
        """Resident memory now."""
        total = 0
        for process in self._processes():
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total


def main() -> int:
    """Run an agent by the orders on standard input, until the controller or SIGTERM ends it."""
    orders = take_orders(NodeOrders)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    # Before ZeroMQ starts its threads, so that they have it too. Simulated nodes share a machine: none goes ahead of the others.
    priority = raised() if orders.board is None else unraised()
    supervisor = Supervisor(priority)
    sensors: Sensors
    if orders.board is None:
        sensors = MachineSensors()
        if orders.carries_load:
            sensors.calibrate(state_folder(os.environ))
    else:
        used = _Used(supervisor)
        load = MeasuredLoad(BOARDS[orders.board.board], used.cpu_s, time.monotonic())
        sensors = SimulatedSensors(orders.board, load=load, memory_bytes=used.memory_bytes)
    context = zmq.Context()
    workers = AssignedWorkers(orders.node, orders.endpoint, orders.keys, supervisor)
    agent = Agent(orders.node, orders.endpoint, orders.keys, sensors, context=context, workers=workers)
    with woken_by_signals() as woken:
        serve([agent], until=lambda: bool(ended), woken=woken)
    end_context(context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
