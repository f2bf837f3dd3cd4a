"""The agent of a simulated node that has processes of its own: `python -m worker.simulation.node`, with SimulatedNodeOrders on standard input.

Its sensors are a thermal model alone: heat changes what it reports, not how fast its worker is, which runs as fast as this
machine lets it (`worker/simulation/virtual_cores.py` is for racks).
"""

from __future__ import annotations

import os
import sys
import time

import psutil

from worker.agent.node import run_agent
from worker.agent.signal_pipe import catch_sigterm
from worker.agent.supervisor import Supervisor
from worker.parent_watch import read_orders
from worker.simulation.boards import BOARDS
from worker.simulation.orders import SimulatedNodeOrders
from worker.simulation.sensors import MeasuredLoad, SimulatedSensors


class ProcessUsage:
    """CPU and memory that the agent and the workers of a node use of this machine."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._cpu_s_by_pid: dict[int, float] = {}

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
            self._cpu_s_by_pid[process.pid] = times.user + times.system
        return sum(self._cpu_s_by_pid.values())

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
    orders = read_orders(SimulatedNodeOrders)
    terminated = catch_sigterm()
    # With the usual priority: simulated nodes share a machine, and none goes ahead of the others.
    supervisor = Supervisor()
    usage = ProcessUsage(supervisor)
    load = MeasuredLoad(BOARDS[orders.board.board], usage.cpu_s, time.monotonic())
    sensors = SimulatedSensors(orders.board, load=load, memory_bytes=usage.memory_bytes)
    run_agent(orders, sensors, supervisor, terminated)
    return 0


if __name__ == "__main__":
    sys.exit(main())
