"""Child processes of the controller: each gets its orders by pipe and logs to a file; all are ended side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import psutil

from worker.agent.supervisor import close_stdin, kill_left_behind
from worker.log_lines import parse_line
from worker.printable import printable

LOG_TAIL_BYTES = 2000
MAX_LOG_BYTES = 16 << 20
KEPT_LOG_BYTES = 4 << 20
"""Of a log that has grown too long: half of it from the beginning, where trouble starts, and half from the end."""
MAX_END_S = 5.0
"""Shared deadline of processes that were asked to end; then they are killed."""
MAX_KILLED_S = 2.0
"""Longest wait for killed processes. One that hangs in a system call may never end."""


def cap_log(log: Path) -> None:
    """Cut the middle out of a log of more than MAX_LOG_BYTES, so that KEPT_LOG_BYTES are left, and say so in it.

    What its process writes in the very moment of the cut may be lost.
    """
    with contextlib.suppress(OSError):  # it may have been removed, or its disk be full: that is no reason to end a run
        size = log.stat().st_size
        if size <= MAX_LOG_BYTES:
            return
        half = KEPT_LOG_BYTES // 2
        with log.open("rb") as file:
            file.seek(size - half)
            end = file.read()
        end = end[end.find(b"\n") + 1 :]  # from the beginning of a line
        os.truncate(log, half)
        with log.open("ab") as file:
            file.write(
                f"\n[the log had grown to {MAX_LOG_BYTES >> 20} MiB; what stood here was cut out]\n".encode() + end
            )


class ProcessRecord(msgspec.Struct, frozen=True):
    """A process, by its id and the time of its start (Unix time), which together belong to no other."""

    name: str
    pid: int
    started_s: float


class Adopted:
    """A process that an earlier controller started, and that outlived it. It is ended by signals."""

    def __init__(self, record: ProcessRecord) -> None:
        """Raises ProcessLookupError when the process has ended."""
        self.name = record.name
        self.record = record
        try:
            self._process = psutil.Process(record.pid)
            if abs(self._process.create_time() - record.started_s) > 1:
                raise ProcessLookupError(record.pid)
        except psutil.NoSuchProcess:
            raise ProcessLookupError(record.pid) from None
        if self.ended():  # a zombie keeps its id and its start until its parent, init by now, asks for its exit status
            raise ProcessLookupError(record.pid)

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        try:
            return not self._process.is_running() or self._process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    @staticmethod
    def describe_end() -> str:
        """A sentence: the exit status of a process is known to its parent alone."""
        return "it was started by an earlier controller, so its exit status is not known"

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.terminate()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended, for `timeout_s` at most; whether it has."""
        with contextlib.suppress(psutil.TimeoutExpired):
            self._process.wait(timeout_s)
            return True
        return self.ended()

    def kill(self) -> None:
        """Send SIGKILL."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.kill()

    def close(self) -> None:
        """Nothing: no pipe leads to it."""


class Child:
    """One process, `python -m MODULE`. Its standard input stays open as long as it shall live (see worker.parent_watch)."""

    def __init__(
        self,
        name: str,
        module: str,
        *arguments: str,
        log: Path,
        orders: msgspec.Struct | None = None,
        pipe_stdout: bool = False,
        outlives_controller: bool = False,
        pass_descriptor: int | None = None,
    ) -> None:
        """Start it. `orders` are written to its standard input as one line of JSON.

        One that `outlives_controller` goes on for a while when its standard input has closed, and is ended by SIGTERM.

        It inherits `pass_descriptor`. Its output goes to the new file `log`; with `pipe_stdout` its standard output is for `read_line` instead.
        """
        self.name = name
        self.log = log
        """The file that its output goes to."""
        self._outlives_controller = outlives_controller
        with log.open("ab") as output:  # appending, so that the log can be cut while it is written
            # What it and a user's code print is UTF-8, as all files are. A session of its own: Ctrl-C in the terminal reaches the controller alone, which then ends the run in order.
            self._process = subprocess.Popen(  # noqa: S603  # our own modules, by our own interpreter
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if pipe_stdout else output,
                stderr=output,
                start_new_session=True,
                pass_fds=() if pass_descriptor is None else (pass_descriptor,),
                # Unbuffered, so that what it says last stands last in its log, also where it is killed.
                env={**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace", "PYTHONUNBUFFERED": "1"},
            )
        self.record = ProcessRecord(name, self._process.pid, _started_s(self._process.pid))
        """Identifies the process to a controller that takes the run over."""
        if orders is not None:
            self.send_orders(orders)

    def send_orders(self, orders: msgspec.Struct) -> None:
        """Write its orders, where it was started without; once."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(orders) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended already; `ended` and `describe_end` say so

    @property
    def stdin(self) -> int:
        """The descriptor of its standard input."""
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    def read_line(self) -> str:
        """The next line of its standard output; empty when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode(errors="replace")

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def describe_end(self) -> str:
        """Exit status and last line of the log, as one printable line."""
        status = self._process.poll()
        how = f"exit status {status}" if status is None or status >= 0 else f"signal {signal.Signals(-status).name}"
        end = b""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            end = file.read()
        lines = end.decode(errors="replace").strip().splitlines()
        return f"{how}; {printable(parse_line(lines[-1]).text)}" if lines else how

    def ask_to_end(self) -> None:
        """Close its standard input, and send SIGTERM if it outlives that."""
        close_stdin(self._process)
        if self._outlives_controller:
            self._process.terminate()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended, for `timeout_s` at most; whether it has."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self.ended()

    def stop(self, grace_s: float) -> None:
        """Let it end by itself for `grace_s`, then ask it to, then kill it."""
        end_all([self], grace_s)

    def leave(self) -> None:
        """Close the pipes that lead to it, and let it live for as long as it wants."""
        close_stdin(self._process)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def kill(self) -> None:
        """Send SIGKILL to it and to what it started in its process group."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes that lead to it. Where it has ended, what it started in its process group, and left behind, is killed."""
        kill_left_behind(self._process)
        close_stdin(self._process)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _started_s(pid: int) -> float:
    """Start of a process as Unix time; the current time where it has ended already."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return time.time()


def end_all(
    processes: Sequence[Child | Adopted], grace_s: float, *, without_grace: Sequence[Child | Adopted] = ()
) -> list[Child | Adopted]:
    """Let `processes` end by themselves for `grace_s`, ask what is left to end, and kill what has not after MAX_END_S.

    They are ended side by side, so that many that hang take no longer than one. Those `without_grace` are asked to end when the
    grace is over. Returns those that live still.
    """
    _wait_for(processes, grace_s)
    everything = [*processes, *without_grace]
    living = [process for process in everything if not process.ended()]
    for process in living:
        _try(process.ask_to_end)
    living = kill_all(_wait_for(living, MAX_END_S))
    for process in everything:
        _try(process.close)
    return living


def kill_all(processes: Sequence[Child | Adopted]) -> list[Child | Adopted]:
    """Kill all of them; those that live still after MAX_KILLED_S."""
    for process in processes:
        _try(process.kill)
    return _wait_for(processes, MAX_KILLED_S)


def _wait_for(processes: Sequence[Child | Adopted], timeout_s: float) -> list[Child | Adopted]:
    """Wait until all have ended, for `timeout_s` at most; those that have not."""
    deadline_s = time.monotonic() + timeout_s
    return [process for process in processes if not process.wait(max(0.0, deadline_s - time.monotonic()))]


def _try(step: Callable[[], None]) -> None:
    """One process that can't be signalled is no reason to spare the others; whether it has ended shows later."""
    with contextlib.suppress(OSError, psutil.Error):
        step()
