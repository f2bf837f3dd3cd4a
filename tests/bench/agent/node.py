"""The measured agent, what it is held against, and what is read of it."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import msgspec
import psutil
from children import BenchError, Children, blame
from figures import Sampled, Window, lateness, missing
from machine import Cores

from worker.wire.curve import Endpoint, Keys
from worker.wire.orders import NodeOrders

HERE = Path(__file__).parent
NODE = "pi001"
LOADS = {"idle": (), "busy": (), "busy, niced": ("nice", "-n", "10")}
"""What runs on every core meanwhile: nothing, or a process that only counts, started by these words."""
BURN = (sys.executable, "-c", "while True: pass")
START_S = 60.0
SETTLING = 3
"""Samples left out at the beginning of each window."""
SPARE_S = 15.0
FOREIGN = ("gevent", "greenlet")
"""What an agent must not load: it would be as large as a worker."""


class Bench:
    """A node whose agent runs on the measured core, with a worker that has no users; its controller on the other."""

    def __init__(self, cores: Cores, period_s: float, children: Children, directory: Path) -> None:
        """Raises BenchError when the node does not come up."""
        self._cores = cores
        self._period_s = period_s
        self._children = children
        self._directory = directory
        self._controller = children.start(
            [sys.executable, str(HERE / "controller.py"), str(period_s)], cores.other, log=directory / "controller.log"
        )
        with self._limit(START_S):
            orders = self._orders(self._line())
            self._agent = children.start(
                ["env", f"STATE_DIRECTORY={directory}", sys.executable, "-m", "worker.agent.node"],
                cores.measured,
                log=directory / "agent.log",
                stdin=subprocess.PIPE,
            )
            assert self._agent.stdin is not None
            self._agent.stdin.write(msgspec.json.encode(orders).decode() + "\n")
            self._agent.stdin.flush()
            while "worker" not in self._line():
                pass

    def _orders(self, door: dict[str, str]) -> NodeOrders:
        endpoint, keys = Endpoint(door["address"], door["server"]), Keys(door["public"], door["secret"])
        return NodeOrders(NODE, endpoint, keys)

    def measure(self, load: str, count: int) -> Window:
        """One window of `count` samples. Raises BenchError."""
        with self._burning(load), self._limit((count + SETTLING) * self._period_s + SPARE_S):
            for _ in range(SETTLING):
                self._sample()
            perf = _Perf(self._agent.pid, self._cores.other, self._children, self._directory / "perf.log")
            first, before_s = self._sample(), cpu_s(self._agent.pid)
            samples = [first, *(self._sample() for _ in range(count))]
            spent_s = cpu_s(self._agent.pid) - before_s
            instructions = perf.end()
        memory = psutil.Process(self._agent.pid).memory_full_info()
        median_ms, max_ms = lateness(samples[1:])
        return Window(
            load,
            count,
            missing(samples),
            spent_s / count,
            None if instructions is None else instructions / count,
            median_ms,
            max_ms,
            memory.rss,
            memory.pss,
        )

    @contextlib.contextmanager
    def _burning(self, load: str) -> Iterator[None]:
        log = self._directory / "load.log"
        cores = () if load == "idle" else (self._cores.measured, self._cores.other)
        burning = [self._children.start([*LOADS[load], *BURN], core, log=log) for core in cores]
        try:
            yield
        finally:
            for process in burning:
                self._children.end(process)

    def foreign(self) -> list[str]:
        """Which of FOREIGN the agent has loaded."""
        maps = Path(f"/proc/{self._agent.pid}/maps").read_text(encoding="utf-8")
        return [name for name in FOREIGN if f"/{name}/" in maps]

    def _sample(self) -> Sampled:
        while "number" not in (line := self._line()):
            pass
        return Sampled(**line)

    def _line(self) -> dict[str, Any]:
        assert self._controller.stdout is not None
        line = self._controller.stdout.readline()
        if not line:
            logs = [self._directory / f"{name}.log" for name in ("agent", "controller")]
            log = next((log for log in logs if log.exists() and log.stat().st_size), logs[1])
            raise BenchError(blame("the node fell silent", log))
        found: dict[str, Any] = json.loads(line)
        return found

    @contextlib.contextmanager
    def _limit(self, seconds: float) -> Iterator[None]:
        """End the controller after so long: whoever waits for its next line then knows that there is none."""
        timer = Timer(seconds, self._controller.terminate)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def cpu_s(pid: int) -> float:
    """The CPU time of all threads of a process so far, to the nanosecond (Linux: its CPU clock, by its id)."""
    return time.clock_gettime((~pid << 3) | 2)


class _Perf:
    """Counts a process's instructions, where `perf` is there and the machine lets it."""

    def __init__(self, pid: int, core: int, children: Children, log: Path) -> None:
        self._log = log
        command = ["perf", "stat", "-x", ",", "-e", "instructions", "-p", str(pid)]
        try:
            self._process: subprocess.Popen[str] | None = children.start(command, core, log=log)
        except FileNotFoundError:
            self._process = None

    def end(self) -> float | None:
        """How many there were; None when they can't be counted here."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGINT)  # upon which it says what it has counted
        self._process.wait()
        found = re.search(r"^(\d+),[^,]*,instructions", self._log.read_text(), re.MULTILINE)
        return float(found[1]) if found else None
