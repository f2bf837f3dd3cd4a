"""The processes of a case: the target on one core, the command `piswarm run` on another, and what disturbs the latter."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from truth_target import Served, read_record

HERE = Path(__file__).parent
PISWARM = [sys.executable, "-m", "master.cli"]
RUN_ENDS_S = 120.0
"""A run that has not ended by then is ended."""


def choose_cores() -> tuple[int, int] | None:
    """Return a core for the target and one for the generator, or None where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[-1]) if len(cores) > 1 else None


def start(command: Sequence[str], core: int, **options: Any) -> subprocess.Popen[str]:
    """Start a command on a core, in a session of its own, since Ctrl-C in the terminal is passed on by this process."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(command, text=True, start_new_session=True, **options)
    finally:
        os.sched_setaffinity(0, usual)


class Target:
    """The target process, for the length of a `with` block."""

    def __init__(self, directory: Path, core: int) -> None:
        self._record = directory / "target.tsv"
        self._process = start(
            [sys.executable, str(HERE / "truth_target.py"), str(self._record)],
            core,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, -10)  # as root: neighbours are to disturb it less
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def stall(self, seconds: float) -> None:
        """Let the target neither read nor answer for so long."""
        self._tell(f"stall {seconds}")

    def be_exact(self) -> None:
        """Answer to less than a millisecond when an answer is due; as root, whatever else runs on the core."""
        self._tell("spin on")
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(self._process.pid, os.SCHED_FIFO, os.sched_param(1))

    def pause(self, how: str) -> None:
        """From now on hold answers back, for SECONDS, or for SECONDS in every EVERY: `how` has one or both."""
        self._tell(f"pause {how}")

    def hang(self, what: str) -> None:
        """From now on leave requests of a path, or with `half` those on every other connection, without an answer."""
        self._tell(f"hang {what}")

    def stop(self) -> None:
        """Stop the target's process, until it is to go on, or is looked at."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the target's process go on."""
        self._process.send_signal(signal.SIGCONT)

    def _tell(self, what: str) -> None:
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def served(self) -> list[Served]:
        """End the target; return all requests that it served."""
        self._end()
        return read_record(self._record)

    def _end(self) -> None:
        if self._process.returncode is None:
            self.go_on()
            self._process.stdin.close()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()


class Run:
    """A `piswarm run` for the length of a `with` block, at whose end all its processes are ended."""

    def __init__(self, directory: Path, core: int, scenario: dict[str, Any], *options: str) -> None:
        self.directory = directory / "run"
        file = directory / "scenario.yml"
        file.write_text(json.dumps(scenario))  # JSON is YAML
        command = [*PISWARM, "run", str(file), "--out", str(self.directory), *options]
        self._log = (directory / "run.log").open("w+")
        self._process = start(command, core, stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self._begun: dict[int, psutil.Process] = {}
        self.hold_s = float(scenario["load"][0]["hold"].removesuffix("s"))
        """How long its one stage holds."""
        self.hung_s: float | None = None
        """When its target began to hang, by the monotonic clock."""
        self.shown_s: float | None = None
        """When it was seen to tell that requests have been in flight for a second or longer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._note_family()
            for process in self._begun.values():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait()
        self._log.close()

    def go_first(self) -> None:
        """As root, have what else runs on the core disturb the run less. To be called before the run has started others."""
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, -15)

    @property
    def output(self) -> str:
        """Return what the run has printed so far."""
        return Path(self._log.name).read_text(encoding="utf-8")

    def wait_for(self, pattern: str, within_s: float = 60.0) -> None:
        """Wait until the run prints what matches. Raises TimeoutError, or RuntimeError when the run ends first."""
        deadline_s = time.monotonic() + within_s
        while not re.search(pattern, self.output):
            if self._process.poll() is not None:
                raise RuntimeError(f"the run ended without saying {pattern!r}:\n{self.output}")
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"the run did not say {pattern!r}:\n{self.output}")
            time.sleep(0.1)

    def watch_what_hangs(self, began_s: float) -> None:
        """Note when the run reports requests in flight, if it does before it ends; `began_s` is when the target began to hang."""
        self.hung_s = began_s
        with contextlib.suppress(RuntimeError):
            self.wait_for(r"in flight \d+, oldest \d+ s")
            self.shown_s = time.monotonic()

    def finish(self) -> int:
        """Wait for the run's end; return the exit status."""
        return self._process.wait(RUN_ENDS_S)

    @property
    def controller(self) -> psutil.Process:
        """Return the process of the command."""
        return psutil.Process(self._process.pid)

    def _note_family(self) -> list[psutil.Process]:
        family = [self.controller, *self.controller.children(recursive=True)]
        self._begun.update((process.pid, process) for process in family)
        return family

    def racks(self) -> list[psutil.Process]:
        """Return the processes that the workers run in."""
        modules = {"worker.simulation.rack", "worker.load.process"}
        return [each for each in self._note_family() if modules & {*each.cmdline()}]

    def worker_of(self, node: str) -> list[psutil.Process]:
        """Return the worker process of a node that has processes of its own, found by the node's name in its agent's log."""
        agents = [each for each in self._note_family() if _log_of(each) == f"{node}.log"]
        return [each for each in self.racks() if each.parent() in agents]


def _log_of(process: psutil.Process) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/fd/2").readlink().name
    return ""


@contextmanager
def busy(core: int, processes: int) -> Iterator[None]:
    """Run so many processes that use all of a core that they can get."""
    running = [
        start([sys.executable, "-c", "import os\nwhile os.getppid() != 1: pass"], core) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextmanager
def duty_cycle(processes: Sequence[psutil.Process], on_s: float, off_s: float) -> Iterator[None]:
    """Stop and continue processes of a Run in turn; in the end they go on."""
    over = threading.Event()

    def alternate() -> None:
        while not over.is_set():
            _signal(processes, signal.SIGSTOP)
            time.sleep(off_s)
            _signal(processes, signal.SIGCONT)
            over.wait(on_s)

    thread = threading.Thread(target=alternate)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _signal(processes, signal.SIGCONT)


def stop_until(processes: Sequence[psutil.Process], at_s: float) -> None:
    """Stop processes until a moment of the monotonic clock, to a fraction of a millisecond."""
    _signal(processes, signal.SIGSTOP)
    try:
        time.sleep(max(0.0, at_s - 0.01 - time.monotonic()))
        while time.monotonic() < at_s:
            pass
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
