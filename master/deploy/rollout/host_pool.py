"""The same work on many hosts at once, in a bounded pool, each with a time limit of its own; Ctrl-C ends it in order."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.plan import Step
from master.deploy.host.session import HostSession
from master.deploy.rollout.results import HostResult, failure
from master.deploy.ssh.connection import CONNECT_S, SshConnection
from master.deploy.ssh.route import Routes
from master.inventory.host import Host
from master.trust.known_hosts import KnownHosts

POOL = 32
_POLL_S = 0.2
_KEPT_S = 10.0
"""A connection that is older is not kept: what lies between may have forgotten it."""


@dataclass(frozen=True)
class PoolLimits:
    """What is waited for, in seconds, and how many hosts are worked on at once."""

    connect_s: float = CONNECT_S
    host_s: float = 600.0
    """For all that is done to one host, once it was begun."""
    pool: int = POOL


@dataclass
class HostTask:
    """Progress of the work on one host: its current step, and bytes sent. Written by its thread, read by the view."""

    host: Host
    step: Step = Step.CONNECT
    sent: int = 0
    begun_s: float = field(default_factory=time.monotonic)

    def set_step(self, step: Step, sent: int = 0) -> None:
        """Note that the work has come to `step`, with `sent` bytes of an archive sent so far."""
        self.step = step
        self.sent = max(self.sent, sent)

    @property
    def duration_s(self) -> float:
        """Since it was begun."""
        return time.monotonic() - self.begun_s


Work = Callable[[HostSession, HostTask], HostResult]


class ProgressListener:
    """Callbacks for the progress of a pool, called from several threads. This base class ignores them all."""

    def show_step(self, text: str) -> None:
        """Something begins that takes a while."""

    def batch_started(self, title: str, hosts: int) -> None:
        """So many hosts are worked on from now on."""

    def host_started(self, task: HostTask) -> None:
        """Work on a host begins; `task` says where it is, from then on."""

    def host_ended(self, task: HostTask, result: HostResult) -> None:
        """Work on a host has ended."""


class HostPool:
    """Connects to hosts and works on many at once. Once interrupted, it skips the hosts that were not begun."""

    def __init__(
        self, known: KnownHosts, limits: PoolLimits, listener: ProgressListener, routes: Routes | None = None
    ) -> None:
        self._known = known
        self._limits = limits
        self._listener = listener
        self._routes = routes or Routes()
        self._open: set[SshConnection] = set()
        self._kept: dict[str, tuple[SshConnection, float]] = {}
        """Connections for who works on these hosts next, and when they were made; no more than are worked on at once."""
        self._lock = threading.Lock()
        self._interrupts: list[None] = []
        self._stop_announced = False

    @property
    def stopped(self) -> bool:
        """Whether the operator has pressed Ctrl-C."""
        return bool(self._interrupts)

    def each(
        self,
        title: str,
        hosts: Sequence[Host],
        work: Work,
        *,
        skip_reason: Callable[[], str] = lambda: "",
        done: Callable[[HostResult], None] = lambda _: None,
        keep: bool = False,
    ) -> list[HostResult]:
        """What `work` makes of each of `hosts`, in their order. `done` is called in this thread, as they end.

        With `keep`, the first connections stay for further work that follows soon; `close` ends them.
        A host is not begun when `skip_reason` gives a reason. On Ctrl-C, no further host is begun, and those that are go on to
        a safe place; on a second one their connections are cut.
        """
        self._listener.batch_started(title, len(hosts))
        with self._interruptible(), ThreadPoolExecutor(self._limits.pool, "host") as executor:
            futures = {executor.submit(self._one, host, work, skip_reason, keep): host.name for host in hosts}
            results = {}
            waiting = set(futures)
            while waiting:
                ended, waiting = wait(waiting, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                self._handle_interrupts()
                for future in ended:
                    results[futures[future]] = future.result()
                    done(future.result())
        return [results[host.name] for host in hosts]

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Count each Ctrl-C instead of raising it, wherever this thread is; in another thread than the main one, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, lambda *_: self._interrupts.append(None))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _handle_interrupts(self) -> None:
        """React to Ctrl-C: announce the stop on the first, cut all connections on the second."""
        if self._interrupts and not self._stop_announced:
            self._stop_announced = True
            self._listener.show_step(
                "stopping: hosts that were begun go on to a safe place; Ctrl-C again cuts them off"
            )
        if len(self._interrupts) > 1:
            self._abort()

    def _abort(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.abort()

    def close(self, but: Collection[str] = ()) -> None:
        """End what was kept, `but` that for these hosts."""
        with self._lock:
            ended = [self._kept.pop(name)[0] for name in self._kept.keys() - set(but)]
        for connection in ended:
            connection.close()

    def _one(self, host: Host, work: Work, skip_reason: Callable[[], str], keep: bool) -> HostResult:
        """One host, from beginning to end. Never raises."""
        reason = "interrupted" if self.stopped else skip_reason()
        task = HostTask(host)
        if reason:
            return failure(host.name, HostFailure(Cause.SKIPPED, reason), None, duration_s=0.0)
        self._listener.host_started(task)
        try:
            result = self._connected(host, work, task, keep)
        except HostFailure as error:
            result = failure(host.name, error, task.step, duration_s=task.duration_s, bytes_sent=task.sent)
        except Exception as error:  # noqa: BLE001  # a fault of ours on one host must not keep the others from their end
            ours = HostFailure(Cause.INTERNAL, f"{type(error).__name__}: {error}")
            result = failure(host.name, ours, task.step, duration_s=task.duration_s, bytes_sent=task.sent)
        self._listener.host_ended(task, result)
        return result

    def _connected(self, host: Host, work: Work, task: HostTask, keep: bool) -> HostResult:
        connection, made_s = self._connection(host)
        kept = False
        try:
            connection.open()
            result = work(HostSession(connection, self._limits.host_s), task)
            kept = keep and self._keep(connection, made_s)
        finally:
            with self._lock:
                self._open.discard(connection)
            if not kept:
                connection.close()
        return result

    def _connection(self, host: Host) -> tuple[SshConnection, float]:
        """A connection to `host`, opened or not, and when it was made."""
        now_s = time.monotonic()
        with self._lock:
            connection, made_s = self._kept.pop(host.name, (None, now_s))
            if connection is not None and (made_s < now_s - _KEPT_S or not connection.is_open):
                connection.close()
                connection, made_s = None, now_s
            if connection is None:
                connection = SshConnection(host, self._known, self._routes, connect_s=self._limits.connect_s)
            self._open.add(connection)
        return connection, made_s

    def _keep(self, connection: SshConnection, made_s: float) -> bool:
        with self._lock:
            if len(self._kept) >= self._limits.pool:
                return False
            self._kept[connection.host.name] = connection, made_s
        return True
