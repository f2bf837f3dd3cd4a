"""The agent's process: answers for a node, and keeps its worker alive. `python -m worker.node`, with NodeOrders on standard input.

A simulated node that has processes of its own has the thermal model alone: heat changes what it tells, not how fast its worker
is, which runs as fast as this machine lets it (`worker/cores.py` is for racks).
"""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import zmq

from worker.agent import Agent, serve
from worker.boards import BOARDS
from worker.calibration import state_folder
from worker.curve import end_context
from worker.lifeline import take_orders
from worker.orders import NodeOrders
from worker.priority import raised, unraised
from worker.sensors import MachineSensors, Sensors
from worker.simulated import MeasuredLoad, SimulatedSensors
from worker.supervisor import Supervisor
from worker.wakeup import woken_by_signals


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
    supervisor = Supervisor({f"{orders.node}_0": orders.worker} if orders.worker is not None else {}, priority)
    sensors: Sensors
    if orders.board is None:
        sensors = MachineSensors()
        if orders.worker is not None:  # who only tells how its machine is carries no load
            sensors.calibrate(state_folder(os.environ))
    else:
        used = _Used(supervisor)
        load = MeasuredLoad(BOARDS[orders.board.board], used.cpu_s, time.monotonic())
        sensors = SimulatedSensors(orders.board, load=load, memory_bytes=used.memory_bytes)
    context = zmq.Context()
    agent = Agent(orders.node, orders.endpoint, orders.keys, sensors, context=context, workers=supervisor)
    with woken_by_signals() as woken:
        serve([agent], until=lambda: bool(ended), woken=woken)
    end_context(context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
