"""Keeping a node's worker processes alive: started again with back-off and jitter, and their ends told with their last words."""

from __future__ import annotations

import contextlib
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import IO

import msgspec

from worker.agent.priority import Priority, current_priority
from worker.wire.messages import WorkerEnded, WorkerRecovered

FIRST_WAIT_S = 0.5
MAX_WAIT_S = 30.0
RECOVERED_AFTER_S = 30.0
"""A worker that has lived for so long is well: the next end is a first one again."""
CRASH_LOOP_ENDS = 3
"""So many ends, each before RECOVERED_AFTER_S, and a worker is said to crash again and again."""
STOP_GRACE_S = 3.0
QUIT_GRACE_S = 2.0
"""How long workers that the controller has told that the run is over may take to end by themselves: their locustfile may have
something to do at its end."""
OUTPUT_TAIL_BYTES = 4000
MAX_LAST_LINE = 500
MAX_OUTPUT_BYTES = 1 << 20
OUTPUT_INTERVAL_S = 5.0
"""At least so often it is seen to that what a worker says stays below MAX_OUTPUT_BYTES."""


class Backoff:
    """How long to wait before a process is started again. Pure but for its dice, which are seeded.

    The wait doubles with each early end, up to MAX_WAIT_S, and is then drawn between half of it and all of it, so that
    what failed together does not come back together.
    """

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(seed)  # noqa: S311  # no secret
        self.early_ends = 0

    def after_end(self, lived_s: float) -> float:
        """The process has ended after `lived_s`; how long to wait, in seconds."""
        self.early_ends = 1 if lived_s >= RECOVERED_AFTER_S else self.early_ends + 1
        longest_s = min(MAX_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self.early_ends - 1, 20))
        return longest_s * self._dice.uniform(0.5, 1.0)

    @property
    def crashing(self) -> bool:
        """Whether it has ended early again and again."""
        return self.early_ends >= CRASH_LOOP_ENDS


def close_stdin(process: subprocess.Popen[bytes]) -> None:
    """Close its standard input. What it has not read, because it ended before, is lost with it."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


class _Worker:
    """One worker process, or the wait for its next start."""

    def __init__(self, name: str, orders: bytes, output: IO[bytes], priority: Priority) -> None:
        self.name = name
        self.backoff = Backoff(name)
        self.start_at_s = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._orders = orders
        self._priority = priority
        self.output = output
        self._started_s = 0.0
        self._said_mended = True

    def start(self, now_s: float) -> None:
        self._forget_output()
        # A session of its own, as for the agent: who ends the agent by Ctrl-C has it end its workers in order.
        with self._priority.laid_down():
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "worker.load.process"],
                stdin=subprocess.PIPE,
                stdout=self.output,
                stderr=self.output,
                start_new_session=True,
            )
        self._started_s = now_s
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already, which the next look finds
            self.process.stdin.write(self._orders)
            self.process.stdin.flush()

    def look(self, now_s: float) -> WorkerEnded | WorkerRecovered | None:
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
            if os.fstat(self.output.fileno()).st_size > MAX_OUTPUT_BYTES:
                self._forget_output()
            if not self._said_mended and now_s - self._started_s >= RECOVERED_AFTER_S:
                self._said_mended = True
                return WorkerRecovered(self.name)
            return None
        close_stdin(self.process)
        self.process = None
        return self._note_end(now_s, now_s - self._started_s, self._last_words(status))

    def _note_end(self, now_s: float, lived_s: float, how: str) -> WorkerEnded:
        wait_s = self.backoff.after_end(lived_s)
        self.start_at_s = now_s + wait_s
        self._said_mended = self._said_mended and not self.backoff.crashing
        return WorkerEnded(self.name, how, wait_s, self.backoff.crashing)

    def wait_s(self, now_s: float) -> float:
        if self.process is None:
            return max(0.0, self.start_at_s - now_s)
        if self._said_mended:
            return OUTPUT_INTERVAL_S
        return min(OUTPUT_INTERVAL_S, max(0.0, self._started_s + RECOVERED_AFTER_S - now_s))

    def _forget_output(self) -> None:
        # The process writes where this file's position is: they share it.
        self.output.seek(0)
        self.output.truncate()

    def _last_words(self, status: int) -> str:
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        end = self.output.seek(0, 2)
        self.output.seek(max(0, end - OUTPUT_TAIL_BYTES))
        said = self.output.read().decode(errors="replace").strip().splitlines()
        return f"{how}; {said[-1].strip()}"[:MAX_LAST_LINE] if said else how


class Supervisor:
    """The worker processes of one node (an agent's `Workers`). What they say is kept until they are started again.

    Nothing here waits for them to end: who serves the agent is told by SIGCHLD (worker/agent/signal_pipe.py), and then looks.
    """

    def __init__(self, priority: Priority | None = None) -> None:
        """Workers get the usual niceness of `priority`, which is that of the thread that looks after them."""
        self._priority = priority or current_priority()
        self._workers: list[_Worker] = []

    def keep(self, orders: Mapping[str, msgspec.Struct]) -> None:
        """From the next look on there are these workers and no others: those that there were are killed.

        `orders` are each one's, by its name (`NODE_INDEX`), which goes to its standard input as a line of JSON.
        """
        self.stop(0.0)
        self._workers = [
            _Worker(name, msgspec.json.encode(text) + b"\n", tempfile.TemporaryFile(), self._priority)  # noqa: SIM115  # closed in `stop`
            for name, text in orders.items()
        ]

    @property
    def pids(self) -> list[int]:
        """The processes that live."""
        return [worker.process.pid for worker in self._workers if worker.process is not None]

    def look(self, now_s: float) -> Iterator[WorkerEnded | WorkerRecovered]:
        """Start what is due to be started; what has ended by itself, and what is well again."""
        for worker in self._workers:
            message = worker.look(now_s)
            if message is not None:
                yield message

    def wait_s(self, now_s: float) -> float:
        """How long until one is to be looked at though none has ended, in seconds."""
        return min((worker.wait_s(now_s) for worker in self._workers), default=math.inf)

    def stop(self, grace_s: float = STOP_GRACE_S, *, told: bool = False) -> None:
        """End all of them: the closing of their standard input tells them to, and who has not heard it in time is killed.

        Those that the controller has `told` end by themselves before that, mostly.
        """
        living = [worker.process for worker in self._workers if worker.process is not None]
        if told:
            _wait_for(living, QUIT_GRACE_S)
        for process in living:
            close_stdin(process)
        for process in _wait_for(living, grace_s):
            process.kill()
            process.wait()
        for worker in self._workers:
            worker.output.close()
        self._workers = []


def _wait_for(processes: list[subprocess.Popen[bytes]], timeout_s: float) -> list[subprocess.Popen[bytes]]:
    """Wait until all have ended, so long together; those that have not."""
    until_s = time.monotonic() + timeout_s
    late = []
    for process in processes:
        try:
            process.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            late.append(process)
    return late
