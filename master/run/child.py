"""Processes that the controller starts and is answerable for: each gets its orders by pipe, logs to a file, and dies with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

LAST_WORDS = 2000


class Child:
    """One process, `python -m MODULE`. Its standard input stays open as long as it shall live (see worker.lifeline)."""

    def __init__(
        self,
        name: str,
        module: str,
        *arguments: str,
        log: Path,
        orders: msgspec.Struct | None = None,
        answers: bool = False,
    ) -> None:
        """Start it. `orders` are written to its standard input as one line of JSON.

        What it says goes to `log`, except the standard output of a child that `answers`: that is for `read_line`.
        """
        self.name = name
        self._log = log
        with log.open("wb") as output:
            # A session of its own: Ctrl-C in the terminal reaches the controller alone, which then ends the run in order.
            self._process = subprocess.Popen(  # noqa: S603  # our own modules, by our own interpreter
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if answers else output,
                stderr=output,
                start_new_session=True,
            )
        if orders is not None:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(msgspec.json.encode(orders) + b"\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass  # it has ended already; `ended` and its last words say so

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

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
        said = self._log.read_bytes()[-LAST_WORDS:].decode(errors="replace").strip()
        return f"{how}; {said.splitlines()[-1]}" if said else how

    def stop(self, timeout_s: float) -> None:
        """Let it end by itself for `timeout_s`, then close its standard input, which ends it, then kill it."""
        assert self._process.stdin is not None
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        if not self._process.stdin.closed:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def kill(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
