"""One round of one master, and the order of the rounds."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

import psutil
from children import BenchError, Children, blame
from machine import Cores

HERE = Path(__file__).parent
MASTERS = ("stock", "ours")
LOADS = {"idle": 0, "loaded_1": 1, "loaded_10": 10}
"""The windows of a round: name, and the endpoints that each worker reports on meanwhile."""
USERS_PER_WORKER = 2
READY_S = 120.0
"""How long the workers may take to be there."""
RAMP_S = 5.0
RUNNING_S = 60.0
"""How long users may take to run, in which a ramp takes RAMP_S."""
ANSWER_S = 30.0
"""How long any other answer may take."""
COUNTED_S = 15.0
"""How long after the last report the master may take to have counted it."""
SPARE_DESCRIPTORS = 200


@dataclass(frozen=True, slots=True)
class Span:
    """What the master needed for something: the time it took, and its CPU time in it; and that of the peers."""

    seconds: float
    cpu_s: float
    peers_cpu_s: float


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which all was steady. CPU in percent of a core; `late_s`: by how much the peers were behind at worst."""

    cpu_percent: float
    rss_bytes: int
    peers_cpu_percent: float
    late_s: float


@dataclass(frozen=True, slots=True)
class Round:
    """What one master needed for so many workers; with an `error` there are no figures to be had from it."""

    round: int
    workers: int
    master: str
    ready: Span | None = None
    ramp: Span | None = None
    windows: dict[str, Window] = field(default_factory=dict)
    requests: int = 0
    """Reported by the workers, and counted by the master."""
    lost: int = 0
    """Workers, or nodes, that it took for dead."""
    error: str | None = None


class _Reading(NamedTuple):
    at_s: float
    master_s: float
    master_bytes: int
    peers_s: float

    def until(self, end: _Reading) -> Span:
        return Span(end.at_s - self.at_s, end.master_s - self.master_s, end.peers_s - self.peers_s)


def order(workers: Sequence[int], rounds: int) -> Iterator[tuple[int, int, str]]:
    """All rounds: in each one every number of workers, for each of them both masters, and each round begins with the other one."""
    for number in range(rounds):
        for count in workers:
            for master in MASTERS if number % 2 == 0 else reversed(MASTERS):
                yield number, count, master


def most_workers(descriptors: int, sockets: int) -> int:
    """How many workers fit with so many open files in a process and so many sockets in a ZeroMQ context.

    Of ours each has two connections, and a connection takes two descriptors where it begins: itself, and its mailbox.
    """
    return min((descriptors - SPARE_DESCRIPTORS) // 4, (sockets - SPARE_DESCRIPTORS) // 2)


class Told:
    """A process that obeys lines on its standard input and answers each with one line of JSON."""

    def __init__(self, children: Children, script: str, arguments: Sequence[str], core: int, log: Path) -> None:
        command = [sys.executable, str(HERE / script), *arguments]
        self._name = script.removesuffix(".py")
        self._log = log
        self._process = children.start(command, core, log=log, stdin=subprocess.PIPE)
        self._measured = psutil.Process(self._process.pid)
        self.end = lambda: children.end(self._process)

    def answer(self, within_s: float = ANSWER_S) -> dict[str, Any]:
        """What it says next. Raises BenchError when it ends, tells a fault or takes too long."""
        assert self._process.stdout is not None
        how = "ended"

        def end() -> None:
            nonlocal how
            how = f"did not answer within {within_s:g} s"
            self._process.kill()

        # One that hangs would leave us reading for ever; ended, it closes its output.
        limit = Timer(within_s, end)
        limit.daemon = True
        limit.start()
        try:
            line = self._process.stdout.readline()
        finally:
            limit.cancel()
        if not line:
            raise BenchError(blame(f"{self._name} {how}", self._log))
        said: dict[str, Any] = json.loads(line)
        if "fault" in said:
            raise BenchError(said["fault"])
        return said

    def tell(self, *words: object) -> None:
        """One line to obey. Raises BenchError when nobody is there."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(" ".join(map(str, words)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchError(blame(f"{self._name} ended", self._log)) from None

    def ask(self, *words: object, within_s: float = ANSWER_S) -> dict[str, Any]:
        """One line to obey, and its answer. Raises BenchError."""
        self.tell(*words)
        return self.answer(within_s)

    def live(self, seconds: float) -> None:
        """Let it run for so long. Raises BenchError when it ends meanwhile."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            raise BenchError(blame(f"{self._name} ended", self._log))

    def used(self) -> tuple[float, int]:
        """The CPU seconds of all its threads so far, and its resident memory in bytes. Raises BenchError."""
        try:
            times, memory = self._measured.cpu_times(), self._measured.memory_info()
        except psutil.NoSuchProcess:
            raise BenchError(blame(f"{self._name} ended", self._log)) from None
        return times.user + times.system, memory.rss


class Bench:
    """Measures masters on one core, with their peers on another."""

    def __init__(self, cores: Cores, window_s: float, children: Children) -> None:
        self._cores = cores
        self._window_s = window_s
        self._children = children

    def measure(self, number: int, workers: int, master: str) -> Round:
        """One round. Whatever was reported and not counted, or dropped, makes it an error."""
        with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name:
            directory = Path(name)
            arguments = (master, str(workers), str(directory / "door.json"))
            started: list[Told] = []
            try:
                for script, core in (("masters.py", self._cores.measured), ("crowd.py", self._cores.other)):
                    started.append(Told(self._children, script, arguments, core, directory / f"{script}.log"))
                for each in started:
                    each.answer()
                return self._phases(number, workers, master, *started)
            except BenchError as error:
                return Round(number, workers, master, error=str(error))
            finally:
                for each in reversed(started):
                    each.end()

    def _phases(self, number: int, workers: int, name: str, master: Told, peers: Told) -> Round:
        users = USERS_PER_WORKER * workers

        def reading() -> _Reading:
            return _Reading(time.monotonic(), *master.used(), peers.used()[0])

        begin = reading()
        peers.tell("connect")
        master.ask("ready", READY_S, within_s=READY_S + ANSWER_S)
        ready = begin.until(reading())
        peers.answer()
        windows, ramp = {}, None
        for window, endpoints in LOADS.items():
            if endpoints and ramp is None:
                begin = reading()
                master.ask("begin")
                master.ask("users", users, users / RAMP_S, RUNNING_S, within_s=RUNNING_S + ANSWER_S)
                ramp = begin.until(reading())
            peers.ask("load", endpoints)
            begin = reading()
            master.live(self._window_s)
            end = reading()
            span = begin.until(end)
            windows[window] = Window(
                100 * span.cpu_s / span.seconds,
                end.master_bytes,
                100 * span.peers_cpu_s / span.seconds,
                peers.ask("late")["late_s"],
            )
        counted = self._counted(master, peers)
        return Round(number, workers, name, ready, ramp, windows, counted["requests"], counted["lost"])

    @staticmethod
    def _counted(master: Told, peers: Told) -> dict[str, Any]:
        """What the master has counted, once it is all that was reported. Raises BenchError when it never is."""
        sent = peers.ask("stop")["requests"]
        deadline_s = time.monotonic() + COUNTED_S
        while True:
            counted, kept = master.ask("count"), peers.ask("kept")["kept"]
            if counted["dropped"]:
                raise BenchError(f"it dropped {counted['dropped']}")
            if counted["requests"] == sent and kept:
                return counted
            if time.monotonic() > deadline_s:
                less = "" if kept else ", and not all reports are acknowledged"
                raise BenchError(f"{sent} requests were reported, {counted['requests']} counted{less}")
            time.sleep(0.2)
