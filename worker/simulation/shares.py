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
"""A second with fewer says little of what a request costs this process."""
LATEST_WEIGHT = 0.2
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
            self._request_s = before_s + LATEST_WEIGHT * (part_s - before_s)
        for share in self._shares:
            if self._request_s is not None and not share.fixed:
                share.cores.request_s = self._request_s * share.factor
