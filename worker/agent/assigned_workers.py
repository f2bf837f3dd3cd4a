"""The worker processes of a node: those that the controller has assigned it, and none while there is no run."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator

import msgspec

from worker.agent.locustfile_folder import LocustfileFolder
from worker.agent.supervisor import Backoff, Supervisor
from worker.wire.curve import Endpoint, Keys
from worker.wire.messages import MAX_WORKERS, Assignment, WorkerEnded, WorkerRecovered
from worker.wire.orders import WorkerOrders, WorkerSpec


class AssignedWorkers:
    """An agent's `Workers`: each a process of its own, kept alive by a Supervisor."""

    def __init__(self, node: str, endpoint: Endpoint, keys: Keys, supervisor: Supervisor) -> None:
        self._node = node
        self._endpoint = endpoint
        self._keys = keys
        self._supervisor = supervisor
        self._locustfile: LocustfileFolder | None = None
        self._prepared = True
        self._backoff = Backoff(node)
        self._prepare_at_s = 0.0
        self.assignment: Assignment | None = None
        """What they do; None while there is nothing to be done."""

    def take_on(self, assignment: Assignment) -> None:
        """From the next look on there are workers for this, and no others. What they do already they go on with."""
        if assignment == self.assignment:
            return
        self.assignment = assignment
        # The old ones go first, and with them the file that they may be reading.
        self._supervisor.keep({})
        self._forget_locustfile()
        self._prepared, self._prepare_at_s = False, 0.0

    def _prepare(self, assignment: Assignment) -> None:
        """Put what they need where they find it. Raises OSError where there is no room for it, or no descriptor left."""
        work = assignment.work
        if assignment.locustfile is not None:
            self._forget_locustfile()
            self._locustfile = LocustfileFolder(assignment.locustfile)
            work = msgspec.structs.replace(work, locustfile=str(self._locustfile.path))
        count = assignment.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
        self._supervisor.keep(
            {
                f"{self._node}_{index}": WorkerOrders(
                    self._endpoint,
                    WorkerSpec(self._node, assignment.number + index * assignment.nodes, self._keys, index),
                    work,
                )
                for index in range(count)
            }
        )

    def look(self, now_s: float) -> Iterator[WorkerEnded | WorkerRecovered]:
        """Start what is due to be started; what has ended by itself or can't be started, and what is well again."""
        if not self._prepared and self.assignment is not None and now_s >= self._prepare_at_s:
            first = f"{self._node}_0"
            try:
                self._prepare(self.assignment)
            except OSError as error:
                wait_s = self._backoff.after_end(0.0)
                self._prepare_at_s = now_s + wait_s
                how = f"the node can't keep what its workers need in {tempfile.gettempdir()}: {error.strerror or error}"
                yield WorkerEnded(first, how, wait_s, self._backoff.crashing)
            else:
                self._prepared = True
                if self._backoff.crashing:
                    yield WorkerRecovered(first)
                self._backoff = Backoff(self._node)
        yield from self._supervisor.look(now_s)

    def wait_s(self, now_s: float) -> float:
        """How long until one is to be looked at though none has ended, in seconds."""
        own_s = math.inf if self._prepared else max(0.0, self._prepare_at_s - now_s)
        return min(own_s, self._supervisor.wait_s(now_s))

    def stop(self, *, told: bool = False) -> None:
        """The run is over for them: end them in order, which those do by themselves that the controller has `told`."""
        self._supervisor.stop(told=told)
        self._forget_locustfile()
        self.assignment, self._prepared = None, True

    def _forget_locustfile(self) -> None:
        if self._locustfile is not None:
            self._locustfile.remove()
            self._locustfile = None
