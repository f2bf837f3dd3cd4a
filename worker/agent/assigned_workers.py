"""The worker processes that the controller has assigned to a node; none while there is no run."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator

import msgspec

from worker.agent.supervisor import Backoff, Supervisor
from worker.log_lines import secrets_of
from worker.project.cache import ProjectCache
from worker.project.delivery import Delivery
from worker.project.unpacking import BadArchiveError
from worker.wire.bounds import MAX_WORKERS
from worker.wire.curve import Endpoint, Keys
from worker.wire.messages import ProjectPart, ProjectRequest, WorkerEnded, WorkerOutput, WorkerRecovered
from worker.wire.orders import WorkerOrders, WorkerSpec
from worker.wire.work import Assignment


class AssignedWorkers:
    """An agent's `Workers`: one process each, kept alive by a Supervisor."""

    def __init__(
        self, node: str, endpoint: Endpoint, keys: Keys, supervisor: Supervisor, cache: ProjectCache | None = None
    ) -> None:
        """`cache` has the Locust projects of runs; None is one in the folder of temporary files."""
        self._node = node
        self._endpoint = endpoint
        self._keys = keys
        self._supervisor = supervisor
        self._cache = cache or ProjectCache.temporary()
        self._delivery: Delivery | None = None
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
        # The old ones go first, and with them the files that they may be reading.
        self._supervisor.set_workers({})
        self._close_delivery()
        if assignment.project is not None:
            self._delivery = Delivery(assignment.project, self._node, self._cache)
        self._prepared, self._prepare_at_s = False, 0.0

    def receive(self, part: ProjectPart) -> None:
        """A part of a project has come."""
        if self._delivery is not None:
            self._delivery.receive(part)

    def _prepare(self, assignment: Assignment) -> None:
        """Write the orders. Raises OSError where there is no room for it, or no descriptor left."""
        work = assignment.work
        if self._delivery is not None:
            folder = self._delivery.folder
            work = msgspec.structs.replace(work, root=folder, working_directory=folder)
        count = assignment.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
        self._supervisor.set_workers(
            {
                f"{self._node}_{index}": WorkerOrders(
                    self._endpoint,
                    WorkerSpec(self._node, assignment.number + index * assignment.nodes, self._keys, index),
                    work,
                )
                for index in range(count)
            },
            secrets_of(work.environment, work.target_password),
        )

    def poll(self, now_s: float) -> Iterator[WorkerEnded | WorkerRecovered | WorkerOutput | ProjectRequest]:
        """Start the workers that are due; messages as of Supervisor.poll, and about those that can't be started.

        What is missing of their project is asked for before.
        """
        if not self._prepared and self.assignment is not None and now_s >= self._prepare_at_s:
            first = f"{self._node}_0"
            try:
                if self._delivery is not None:
                    yield from self._delivery.step(now_s)
                    if not self._delivery.ready:
                        return
                self._prepare(self.assignment)
            except (OSError, BadArchiveError) as error:
                wait_s = self._backoff.after_end(0.0)
                self._prepare_at_s = now_s + wait_s
                yield WorkerEnded(first, self._describe(error), wait_s, self._backoff.crashing)
            else:
                self._prepared = True
                if self._backoff.crashing:
                    yield WorkerRecovered(first)
                self._backoff = Backoff(self._node)
        yield from self._supervisor.poll(now_s)

    def wait_s(self, now_s: float) -> float:
        """Seconds until a `poll` is due though no process ends."""
        own_s = math.inf if self._prepared else max(0.0, self._prepare_at_s - now_s)
        if own_s == 0 and self._delivery is not None:
            own_s = self._delivery.wait_s(now_s)
        return min(own_s, self._supervisor.wait_s(now_s))

    def stop(self, *, quit_sent: bool = False) -> list[WorkerOutput]:
        """End all workers, as Supervisor.stop; what they have printed at last, none where there was no assignment."""
        output = self._supervisor.stop(quit_sent=quit_sent)
        self._close_delivery()
        assigned, self.assignment, self._prepared = self.assignment, None, True
        return [] if assigned is None else [output or WorkerOutput([], last=True)]

    def _close_delivery(self) -> None:
        if self._delivery is not None:
            self._delivery.close()
            self._delivery = None

    def _describe(self, error: OSError | BadArchiveError) -> str:
        if isinstance(error, BadArchiveError):
            return f"the project of the run can't be used: {error}"
        place = tempfile.gettempdir() if self._delivery is None or self._delivery.ready else self._cache.folder
        return f"the node can't keep what its workers need in {place}: {error.strerror or error}"
