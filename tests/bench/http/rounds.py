"""One round of one tool, and the order of the rounds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

import psutil
from cases import CASES, Case
from children import BenchError, Children, blame
from machine import Cores
from server import Nginx
from tools import Load, Tool

GRACE_S = 30.0
"""How much longer than its load a tool may take to start and end."""
FIRST_REQUEST_S = 10.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one tool did in one round; with an `error` there are no figures to be had from it."""

    round: int
    case: str
    tool: str
    requests: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    cpu_us: float = 0.0
    own_share: float = 0.0
    nginx_share: float = 0.0
    error: str | None = None


class _Reading(NamedTuple):
    at_s: float
    served: int
    nginx_cpu_s: float


class _Window(NamedTuple):
    requests: int
    seconds: float
    cpu_s: float
    nginx_share: float


def order(tools: Sequence[Tool], rounds: int) -> Iterator[tuple[int, Case, Tool]]:
    """All rounds: in each one every case, in each case every tool, and each round begins with another tool."""
    for number in range(rounds):
        first = number % len(tools) if tools else 0
        for case in CASES:
            for tool in (*tools[first:], *tools[:first]):
                yield number, case, tool


class Bench:
    """Measures tools against `nginx`; their complaints are kept in `directory` until the next one runs."""

    def __init__(self, nginx: Nginx, cores: Cores, load: Load, directory: Path, children: Children) -> None:
        self._children = children
        self._nginx = nginx
        self._core = cores.measured
        self._load = load
        self._log = directory / "tool.log"

    def measure(self, number: int, case: Case, tool: Tool) -> Round:
        """One round. A failed request, or one that nginx did not see, makes it an error."""
        try:
            window = self._run(case, tool)
        except BenchError as error:
            return Round(number, case.name, tool.name, error=str(error))
        return Round(
            number,
            case.name,
            tool.name,
            requests=window.requests,
            seconds=window.seconds,
            rate=window.requests / window.seconds,
            cpu_us=window.cpu_s / window.requests * 1e6,
            own_share=window.cpu_s / window.seconds,
            nginx_share=window.nginx_share,
        )

    def counting_us(self) -> dict[str, float]:
        """What counting one request costs, here and in Locust. Raises BenchError."""
        with self._started([sys.executable, str(Path(__file__).with_name("counting.py"))]) as process:
            return self._line(process)

    def _run(self, case: Case, tool: Tool) -> _Window:
        before = self._nginx.served()
        with self._started(tool.command(case, self._nginx.url, self._load)) as process:
            window = self._told(process) if tool.told else self._watched(process, before)
            output, _ = process.communicate()
        total, faults = tool.outcome(output, process.returncode)
        if faults:
            raise BenchError(blame("; ".join(faults[:3]), self._log))
        served = self._nginx.served() - before
        # At the end each user may have one request on its way, which nginx served and nobody counted.
        if total is not None and abs(served - total) > self._load.users:
            raise BenchError(f"it counted {total} requests, nginx {served}: one of them is wrong")
        if not window.requests:
            raise BenchError(blame("it did no request in the window", self._log))
        return window

    def _told(self, process: subprocess.Popen[str]) -> _Window:
        """The window as the tool reports it, and nginx's share meanwhile."""
        self._line(process)
        begin = self._reading()
        said = self._line(process)
        nginx_share = _share(begin, self._reading())
        if said["users"] != self._load.users:
            raise BenchError(f"{said['users']} of {self._load.users} users were there at the end of the window")
        return _Window(said["requests"], said["seconds"], said["cpu_s"], nginx_share)

    def _watched(self, process: subprocess.Popen[str], before: int) -> _Window:
        """A window as seen from outside: nginx counts the requests, the kernel the time."""
        deadline = time.monotonic() + FIRST_REQUEST_S
        while self._nginx.served() == before:
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(blame("it did not begin to send", self._log))
            time.sleep(0.01)
        time.sleep(self._load.warm_up_s)
        try:
            begin, begin_cpu = self._reading(), psutil.Process(process.pid).cpu_times()
            time.sleep(self._load.window_s)
            close, close_cpu = self._reading(), psutil.Process(process.pid).cpu_times()
        except psutil.NoSuchProcess:
            raise BenchError(blame("it ended too early", self._log)) from None
        if process.poll() is not None:
            raise BenchError(blame("it ended too early", self._log))
        cpu_s = close_cpu.user + close_cpu.system - begin_cpu.user - begin_cpu.system
        return _Window(close.served - begin.served, close.at_s - begin.at_s, cpu_s, _share(begin, close))

    def _reading(self) -> _Reading:
        return _Reading(time.monotonic(), self._nginx.served(), self._nginx.cpu_s())

    def _line(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("{"):
            raise BenchError(blame("it ended before its figures", self._log))
        return json.loads(line)

    @contextmanager
    def _started(self, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
        process = self._children.start(command, self._core, log=self._log)
        # One that hangs would leave us reading for ever; ended, it closes its output.
        limit = Timer(self._load.duration_s + GRACE_S, process.kill)
        limit.daemon = True
        try:
            limit.start()
            yield process
        finally:
            limit.cancel()
            self._children.end(process)


def _share(begin: _Reading, close: _Reading) -> float:
    return (close.nginx_cpu_s - begin.nginx_cpu_s) / (close.at_s - begin.at_s)
