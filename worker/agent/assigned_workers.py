"""The worker processes that the controller has assigned to a node; none while there is no run."""

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
    """An agent's `Workers`: one process each, kept alive by a Supervisor."""

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
        """The work at hand; None while there is no run."""

    def assign(self, assignment: Assignment) -> None:
        """Run workers for this assignment, and no others, from the next `poll` on. Those of the same one go on."""
        if assignment == self.assignment:
            return
        self.assignment = assignment
        # The old ones go first, and with them the file that they may be reading.
        self._supervisor.set_workers({})
        self._remove_locustfile()
        self._prepared, self._prepare_at_s = False, 0.0

    def _prepare(self, assignment: Assignment) -> None:
        """Write the locustfile and the orders. Raises OSError where there is no room for it, or no descriptor left."""
        work = assignment.work
        if assignment.locustfile is not None:
            self._remove_locustfile()
            self._locustfile = LocustfileFolder(assignment.locustfile)
            folder = str(self._locustfile.path.parent)
            work = msgspec.structs.replace(
                work, root=folder, locustfiles=[self._locustfile.path.name], working_directory=folder
            )
        count = assignment.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
        self._supervisor.set_workers(
            {
                f"{self._node}_{index}": WorkerOrders(
                    self._endpoint,
                    WorkerSpec(self._node, assignment.number + index * assignment.nodes, self._keys, index),
                    work,
                )
                for index in range(count)
            }
        )

    def poll(self, now_s: float) -> Iterator[WorkerEnded | WorkerRecovered]:
        """Start the workers that are due; messages about those that ended or can't be started, and those that recovered."""
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
        yield from self._supervisor.poll(now_s)

    def wait_s(self, now_s: float) -> float:
        """Seconds until a `poll` is due though no process ends."""
        own_s = math.inf if self._prepared else max(0.0, self._prepare_at_s - now_s)
        return min(own_s, self._supervisor.wait_s(now_s))

    def stop(self, *, quit_sent: bool = False) -> None:
        """End all workers, as Supervisor.stop."""
        self._supervisor.stop(quit_sent=quit_sent)
        self._remove_locustfile()
        self.assignment, self._prepared = None, True

    def _remove_locustfile(self) -> None:
        if self._locustfile is not None:
            self._locustfile.remove()
            self._locustfile = None
