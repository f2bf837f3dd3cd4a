"""A stock Locust master and stock workers, each a process of its own (`stock_role.py`), on loopback.

What Locust's own constants would stretch over minutes is shown within seconds by shorter ones, the same for all
processes.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

ROLE = Path(__file__).with_name("stock_role.py")
TOLD_LINES = 20
"""Lines of what a process said that are told when something did not come."""


class Orders(msgspec.Struct, frozen=True):
    """What a process is to be: a master on `port` (0: a free one), or a worker of the master on that port."""

    role: str
    port: int
    stop_timeout_s: float
    constants: dict[str, float]
    """Of locust.runners, by name, and what they are to be."""


class Command(msgspec.Struct, frozen=True):
    """What a process is to do: `start` users (master), `stop` them (master), or keep the event loop busy in a task (worker)."""

    do: str
    users: int = 0
    spawn_rate: float = 1.0
    busy_s: float = 0.0


class Seen(msgspec.Struct, frozen=True):
    """What a process saw of itself at `at_s` of the monotonic clock that all processes share."""

    at_s: float = 0.0
    state: str = ""
    users: int = 0
    """Those that run (worker), or are believed to (master)."""
    requests: int = 0
    """Counted by the master."""
    workers: dict[str, str] = {}
    """Those that the master knows, and in which state it believes them."""
    name: str = ""
    """The worker's, among `workers`."""
    port: int = 0
    """The master's."""


class StockProcess:
    """A process and all that it has seen so far; it ends with this process, and after a minute in any case."""

    def __init__(self, news: threading.Condition) -> None:
        self.seen = [Seen()]
        self.said: deque[str] = deque(maxlen=TOLD_LINES)
        self.ended_s: float | None = None
        """When it ended, None while it lives."""
        self._news = news
        self._process = subprocess.Popen(
            [sys.executable, str(ROLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def now(self) -> Seen:
        """Return what the process saw last, which is empty before it is up."""
        return self.seen[-1]

    def since(self, at_s: float) -> list[Seen]:
        """Return what the process has seen since `at_s`."""
        return [seen for seen in self.seen if seen.at_s >= at_s]

    def tell(self, message: Orders | Command) -> None:
        """Give the process its orders, or then a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(message) + b"\n")
        self._process.stdin.flush()

    def kill(self) -> float:
        """Kill the process as a power cut would; return when."""
        self._process.kill()
        self._process.wait()
        return time.monotonic()

    def close(self) -> None:
        """End the process."""
        self.kill()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._news:
                try:
                    self.seen.append(msgspec.json.decode(line, type=Seen))
                except msgspec.MsgspecError:
                    self.said.append(line.decode(errors="replace"))
                self._news.notify_all()
        with self._news:
            self.ended_s = time.monotonic()
            self._news.notify_all()


class StockProcesses:
    """A master and its workers, for the length of a `with` block."""

    def __init__(
        self,
        workers: int,
        *,
        spare_workers: int = 0,
        spare_master: bool = False,
        stop_timeout_s: float = 0.0,
        **constants: float,
    ) -> None:
        """Start master and workers, and spare processes, which take a second or two to start and get their orders later."""
        self._news = threading.Condition()
        self._stop_timeout_s = stop_timeout_s
        self._constants = constants
        self._all = [StockProcess(self._news) for _ in range(1 + workers + spare_workers + spare_master)]
        self._idle = list(self._all)
        self._port = 0
        self._workers_wanted = workers
        self.workers: list[StockProcess] = []

    def __enter__(self) -> Self:
        try:
            self.master = self.start_master()
            for _ in range(self._workers_wanted):
                self.start_worker()
            self.must_come(lambda: len(self.master.now.workers) == self._workers_wanted, "the workers")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        for process in self._all:
            process.close()

    def start_master(self) -> StockProcess:
        """Start a master; a second one takes the port of the first."""
        master = self._order("master")
        self.must_come(lambda: master.now.port, "the master")
        self._port = master.now.port
        return master

    def start_worker(self) -> StockProcess:
        """Start one more worker; it need not be connected yet."""
        worker = self._order("worker")
        self.workers.append(worker)
        return worker

    def _order(self, role: str) -> StockProcess:
        process = self._idle.pop()
        process.tell(Orders(role, self._port, self._stop_timeout_s, self._constants))
        return process

    def load(self, users: int, spawn_rate: float = 100) -> None:
        """Start users, and wait until all of them run and the master says so."""
        self.master.tell(Command("start", users=users, spawn_rate=spawn_rate))
        self.must_come(
            lambda: users_of(self.workers) == self.master.now.users == users and self.master.now.state == "running",
            f"{users} users",
        )

    def comes(self, holds: Callable[[], object], within_s: float) -> bool:
        """Wait until something that depends on what the processes see holds; return whether it did in time."""
        with self._news:
            return bool(self._news.wait_for(holds, within_s))

    def must_come(self, holds: Callable[[], object], what: str, within_s: float = 20.0) -> None:
        """Wait as `comes` does. Raises TimeoutError, which names what did not come and what was seen last."""
        if not self.comes(holds, within_s):
            told = "\n".join(f"{process.now} {''.join(process.said)}" for process in self._all)
            raise TimeoutError(f"{what}: not within {within_s:.0f} s\n{told}")


def users_of(workers: Iterable[StockProcess]) -> int:
    """Return how many users these workers run."""
    return sum(worker.now.users for worker in workers)
