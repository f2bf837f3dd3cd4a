"""Supervision of a node's worker processes: restarted with back-off and jitter, their ends reported with their last output."""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO

import msgspec

from worker.agent.priority import Priority, current_priority
from worker.agent.worker_output import OutputRate, OutputReader, take_output
from worker.log_lines import parse_line
from worker.secret_values import Mask
from worker.wire.messages import LoggedLine, WorkerEnded, WorkerOutput, WorkerRecovered

FIRST_WAIT_S = 0.5
MAX_WAIT_S = 30.0
RECOVERED_AFTER_S = 30.0
"""A worker that has run for so long has recovered: its next end counts as the first."""
CRASH_LOOP_ENDS = 3
"""So many ends in a row, each before RECOVERED_AFTER_S, are a crash loop."""
STOP_GRACE_S = 3.0
QUIT_GRACE_S = 2.0
"""The time that workers get to end by themselves after Quit: their locustfile may have something to do at its end."""
OUTPUT_TAIL_BYTES = 4000
MAX_LAST_LINE = 500
MAX_OUTPUT_BYTES = 1 << 20
OUTPUT_INTERVAL_S = 1.0
"""The interval at which workers' output is read, and kept below MAX_OUTPUT_BYTES."""


class Backoff:
    """The wait before a process is started again. Pure but for its random numbers, which are seeded.

    It doubles with each early end, up to MAX_WAIT_S, with a jitter of half of it, so that processes that failed together
    do not come back together.
    """

    def __init__(self, seed: str) -> None:
        self._jitter = random.Random(seed)  # noqa: S311  # no secret
        self.early_ends = 0

    def after_end(self, lived_s: float) -> float:
        """Note an end after `lived_s`; the seconds to wait."""
        self.early_ends = 1 if lived_s >= RECOVERED_AFTER_S else self.early_ends + 1
        longest_s = min(MAX_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self.early_ends - 1, 20))
        return longest_s * self._jitter.uniform(0.5, 1.0)

    @property
    def crashing(self) -> bool:
        """Whether it is in a crash loop."""
        return self.early_ends >= CRASH_LOOP_ENDS


def kill_left_behind(process: subprocess.Popen[bytes]) -> None:
    """Kill what a process that has ended started and left behind in its group, of which it was the leader."""
    if process.poll() is None:
        return
    # Its id is the group's, and no other process gets it as long as there is one in the group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            os.kill(process.pid, 0)
        except ProcessLookupError:
            os.killpg(process.pid, signal.SIGKILL)


def close_stdin(process: subprocess.Popen[bytes]) -> None:
    """Close the standard input of a process, which may have ended without reading all of it."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


class _Worker:
    """One worker process, or the wait for its next start."""

    def __init__(self, name: str, orders: bytes, output: IO[bytes], priority: Priority, mask: Mask) -> None:
        self.name = name
        self.reader = OutputReader(name, output.fileno(), mask)
        self.backoff = Backoff(name)
        self.start_at_s = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._orders = orders
        self._priority = priority
        self._mask = mask
        self.output = output
        self._started_s = 0.0
        self._recovered = True

    def start(self, now_s: float) -> None:
        self._truncate_output(now_s)
        # A session of its own, as for the agent: who ends the agent by Ctrl-C has it end its workers in order.
        with self._priority.usual_niceness():
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "worker.load.process"],
                stdin=subprocess.PIPE,
                stdout=self.output,
                stderr=self.output,
                start_new_session=True,
            )
        self._started_s = now_s
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already, which the next poll finds
            self.process.stdin.write(self._orders)
            self.process.stdin.flush()

    def poll(self, now_s: float) -> WorkerEnded | WorkerRecovered | None:
        if self.process is None:
            if now_s < self.start_at_s:
                return None
            try:
                self.start(now_s)
            except OSError as error:  # no room for a process, its output or its pipes
                return self._note_end(now_s, 0.0, f"it can't be started: {error.strerror or error}")
            return None
        status = self.process.poll()
        if status is None:
            if not self._recovered and now_s - self._started_s >= RECOVERED_AFTER_S:
                self._recovered = True
                return WorkerRecovered(self.name)
            return None
        close_stdin(self.process)
        kill_left_behind(self.process)
        self.process = None
        return self._note_end(now_s, now_s - self._started_s, self._how_it_ended(status))

    def _note_end(self, now_s: float, lived_s: float, how: str) -> WorkerEnded:
        wait_s = self.backoff.after_end(lived_s)
        self.start_at_s = now_s + wait_s
        self._recovered = self._recovered and not self.backoff.crashing
        return WorkerEnded(self.name, how, wait_s, self.backoff.crashing)

    def wait_s(self, now_s: float) -> float:
        if self.process is None:
            return max(0.0, self.start_at_s - now_s)
        if self._recovered:
            return OUTPUT_INTERVAL_S
        return min(OUTPUT_INTERVAL_S, max(0.0, self._started_s + RECOVERED_AFTER_S - now_s))

    def read_output(self, now_s: float) -> None:
        """Take in what the process has printed."""
        self.reader.read(now_s, time.time())
        if os.fstat(self.output.fileno()).st_size > MAX_OUTPUT_BYTES:
            self._truncate_output(now_s)

    def _truncate_output(self, now_s: float) -> None:
        self.reader.read(now_s, time.time(), ended=self.process is None)
        # The process writes where this file's position is: they share it.
        self.output.seek(0)
        self.output.truncate()
        self.reader.restart()

    def _how_it_ended(self, status: int) -> str:
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        end = self.output.seek(0, 2)
        self.output.seek(max(0, end - OUTPUT_TAIL_BYTES))
        lines = self.output.read().decode(errors="replace").strip().splitlines()
        return f"{how}; {self._mask(parse_line(lines[-1]).text).strip()}"[:MAX_LAST_LINE] if lines else how


class Supervisor:
    """The worker processes of one node. Their output is kept until they are started again, and handed on once a second.

    Nothing here waits for them to end: SIGCHLD wakes the agent (worker/agent/signal_pipe.py), which then polls.
    """

    def __init__(self, priority: Priority | None = None, echo: Callable[[LoggedLine], None] | None = None) -> None:
        """Workers run at the usual niceness of `priority`, the priority of the calling thread (None: as it is).

        `echo` is given each line of their output that is handed on.
        """
        self._echo = echo
        self._priority = priority or current_priority()
        self._workers: list[_Worker] = []
        self._rate = OutputRate()
        self._read_at_s = 0.0

    def set_workers(self, orders: Mapping[str, msgspec.Struct], secrets: Mapping[str, str] | None = None) -> None:
        """Run these workers, and no others, from the next `poll` on. Those that run are killed.

        `orders` maps a worker's name (`NODE_INDEX`) to its orders, which it gets on standard input as a line of JSON. What is
        handed on of its output has names in place of `secrets`.
        """
        self.stop(0.0)
        mask = Mask(secrets or {})
        self._workers = [
            _Worker(name, msgspec.json.encode(text) + b"\n", tempfile.TemporaryFile(), self._priority, mask)  # noqa: SIM115  # closed in `stop`
            for name, text in orders.items()
        ]

    @property
    def pids(self) -> list[int]:
        """The processes that are running, or have ended since the last `poll`."""
        return [worker.process.pid for worker in self._workers if worker.process is not None]

    def poll(self, now_s: float) -> Iterator[WorkerEnded | WorkerRecovered | WorkerOutput]:
        """Start the workers that are due; messages about those that ended by themselves, those that recovered, and what was printed."""
        for worker in self._workers:
            message = worker.poll(now_s)
            if message is not None:
                yield message
        if self._workers and now_s >= self._read_at_s:
            self._read_at_s = (
                now_s + OUTPUT_INTERVAL_S / 2
            )  # or a poll that comes a little early would wait for the next
            output = self._take_output(now_s)
            if output is not None:
                yield output

    def _take_output(self, now_s: float, *, last: bool = False) -> WorkerOutput | None:
        for worker in self._workers:
            worker.read_output(now_s)
        self._rate.refill(now_s)
        output = take_output([worker.reader for worker in self._workers], self._rate, last=last)
        if output is not None and self._echo is not None:
            for line in output.lines:
                self._echo(line)
        return output

    def wait_s(self, now_s: float) -> float:
        """Seconds until a `poll` is due though no process ends."""
        return min((worker.wait_s(now_s) for worker in self._workers), default=math.inf)

    def stop(self, grace_s: float = STOP_GRACE_S, *, quit_sent: bool = False) -> WorkerOutput | None:
        """End all workers: close their standard input, which tells them to, and kill those that still run after `grace_s`.

        Returns what they have printed at last; None where there are none.

        With `quit_sent` the controller has sent them Quit: they first get QUIT_GRACE_S to end by themselves.
        """
        living = [worker.process for worker in self._workers if worker.process is not None]
        if quit_sent:
            _wait_for(living, QUIT_GRACE_S)
        for process in living:
            close_stdin(process)
        for process in _wait_for(living, grace_s):
            process.kill()
            process.wait()
        for process in living:
            kill_left_behind(process)
        output = self._take_output(time.monotonic(), last=True) if self._workers else None
        for worker in self._workers:
            worker.output.close()
        self._workers = []
        return output


def _wait_for(processes: list[subprocess.Popen[bytes]], timeout_s: float) -> list[subprocess.Popen[bytes]]:
    """Wait until all have ended, at most `timeout_s` in all; those that have not."""
    until_s = time.monotonic() + timeout_s
    late = []
    for process in processes:
        try:
            process.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            late.append(process)
    return late
