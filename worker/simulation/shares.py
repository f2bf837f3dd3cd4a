"""The nodes' shares of what the process of a rack uses: memory evenly, CPU by requests, charged to each node's simulated cores."""

from __future__ import annotations

import time

import gevent
import psutil

from worker.load.recorder import Recorder
from worker.simulation.boards import BOARDS
from worker.simulation.orders import SimulatedBoard
from worker.simulation.virtual_cores import VirtualCores

ENOUGH_REQUESTS = 20
"""Fewer requests in a second are no measure of the cost of one."""
LATEST_WEIGHT = 0.2
"""The weight of the latest second in the moving average of a request's cost."""


class _Share:
    """One node's share."""

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
    """Divides the use of this process among its nodes: memory evenly, CPU time by requests, and one request a second for each.

    The CPU time is charged to the cores of each node's board: an estimate for each request as it ends, which is what they
    have cost recently or what the scenario says, and the rest once a second.
    """

    def __init__(self) -> None:
        self._shares: list[_Share] = []
        self._process = psutil.Process()
        self._request_s: float | None = None
        self.memory_bytes = 0
        """One node's share."""

    def add(self, recorder: Recorder, cores: VirtualCores, board: SimulatedBoard) -> None:
        """Add a node, whose requests `recorder` counts and whose cores are those of `board`."""
        self._shares.append(_Share(recorder, cores, board))

    def run(self) -> None:
        """Charge once a second, at its end, for ever."""
        before_s = time.process_time()
        while True:
            self.memory_bytes = self._process.memory_info().rss // len(self._shares)
            gevent.sleep(1 - time.monotonic() % 1)
            used_s = time.process_time()
            self.charge(used_s - before_s, time.monotonic())
            before_s = used_s

    def charge(self, used_s: float, now_s: float) -> None:
        """Divide the CPU seconds used since the last call."""
        requests = [share.new_requests() for share in self._shares]
        part_s = used_s / (len(requests) + sum(requests))
        for share, ended in zip(self._shares, requests, strict=True):
            charged = ended if share.fixed else ended * share.cores.request_s / (share.factor * part_s or 1.0)
            share.cores.charge_work(now_s, max(0.0, 1 + ended - charged) * part_s * share.factor)
            share.cores.end_second(now_s)
        if sum(requests) >= ENOUGH_REQUESTS:
            before_s = part_s if self._request_s is None else self._request_s
            self._request_s = before_s + LATEST_WEIGHT * (part_s - before_s)
        for share in self._shares:
            if self._request_s is not None and not share.fixed:
                share.cores.request_s = self._request_s * share.factor
