"""Processes that the controller starts and is answerable for: each gets its orders by pipe, logs to a file, and dies with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil

from worker.agent.supervisor import close_stdin

LAST_WORDS = 2000
MAX_LOG_BYTES = 16 << 20
KEPT_LOG_BYTES = 4 << 20
"""Of a log that has grown too long, the beginning is kept: that is where trouble starts."""


def cap_log(log: Path) -> None:
    """Cut a log that has more than MAX_LOG_BYTES down to its first KEPT_LOG_BYTES, and say so in it."""
    with contextlib.suppress(OSError):  # it may have been removed, or its disk be full: that is no reason to end a run
        if log.stat().st_size <= MAX_LOG_BYTES:
            return
        os.truncate(log, KEPT_LOG_BYTES)
        with log.open("ab") as file:
            file.write(f"\n[the log had grown to {MAX_LOG_BYTES >> 20} MiB; what stood here was cut out]\n".encode())


class ProcessRecord(msgspec.Struct, frozen=True):
    """A process, by its id and the time of its start (Unix time), which together belong to no other."""

    name: str
    pid: int
    started_s: float


class Adopted:
    """A process that another controller started, and that has outlived it. It is ended by signals."""

    def __init__(self, record: ProcessRecord) -> None:
        """Raises ProcessLookupError when it is no more."""
        self.name = record.name
        self.record = record
        try:
            self._process = psutil.Process(record.pid)
            if abs(self._process.create_time() - record.started_s) > 1:
                raise ProcessLookupError(record.pid)
        except psutil.NoSuchProcess:
            raise ProcessLookupError(record.pid) from None

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return not self._process.is_running() or self._process.status() == psutil.STATUS_ZOMBIE

    @staticmethod
    def last_words() -> str:
        """How it ended, which only the one who started it is told."""
        return "it was started by an earlier controller, so its exit status is not known"

    def stop(self, timeout_s: float) -> None:
        """Let it end by itself for `timeout_s`, then tell it to, then kill it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for number in (None, signal.SIGTERM, signal.SIGKILL):
                if number is not None:
                    self._process.send_signal(number)
                with contextlib.suppress(psutil.TimeoutExpired):
                    self._process.wait(timeout_s)
                    return
                timeout_s = 5.0

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.kill()


class Child:
    """One process, `python -m MODULE`. Its standard input stays open as long as it shall live (see worker.parent_watch)."""

    def __init__(
        self,
        name: str,
        module: str,
        *arguments: str,
        log: Path,
        orders: msgspec.Struct | None = None,
        answers: bool = False,
        outlives: bool = False,
    ) -> None:
        """Start it. `orders` are written to its standard input as one line of JSON.

        One that `outlives` goes on for a while when its standard input has closed, and is ended by SIGTERM.

        What it says goes to `log`, which nobody has written to, except the standard output of a child that `answers`: that is for `read_line`.
        """
        self.name = name
        self._log = log
        self._outlives = outlives
        with log.open("ab") as output:  # appending, so that the log can be cut while it is written
            # What it and a user's code print is UTF-8, as all files are. A session of its own: Ctrl-C in the terminal reaches the controller alone, which then ends the run in order.
            self._process = subprocess.Popen(  # noqa: S603  # our own modules, by our own interpreter
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if answers else output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"},
            )
        if orders is not None:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(msgspec.json.encode(orders) + b"\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass  # it has ended already; `ended` and its last words say so

    @property
    def record(self) -> ProcessRecord:
        """How another controller finds it again."""
        return ProcessRecord(self.name, self._process.pid, psutil.Process(self._process.pid).create_time())

    def read_line(self) -> str:
        """The next line of its standard output; empty when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode(errors="replace")

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """How it ended: exit status, and the end of what it logged."""
        status = self._process.poll()
        how = f"exit status {status}" if status is None or status >= 0 else f"signal {signal.Signals(-status).name}"
        said = ""
        with contextlib.suppress(OSError):
            said = self._log.read_bytes()[-LAST_WORDS:].decode(errors="replace").strip()
        return f"{how}; {said.splitlines()[-1]}" if said else how

    def stop(self, timeout_s: float) -> None:
        """Let it end by itself for `timeout_s`, then tell it to, then kill it."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            close_stdin(self._process)
            if self._outlives:
                self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        close_stdin(self._process)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def kill(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
