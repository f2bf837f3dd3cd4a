"""The runner of the master side: a MasterRunner of Locust's without a network. What it is asked to do, the controller does."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import msgspec
from gevent.event import AsyncResult
from locust import User
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_RUNNING, STATE_SPAWNING, MasterRunner, WorkerNode

from master.project.process.messages import QuitAsked, RampAsked, ToWorkers
from worker.code_place import in_brackets, place_of_call
from worker.load.locustfile.attached_data import pack_data
from worker.printable import printable

_MAX_TOLD = 1 << 62

logger = logging.getLogger(__name__)


class ProjectMaster(MasterRunner):
    """`environment.runner` of the master side."""

    def __init__(self, environment: Environment, *, send: Callable[[msgspec.Struct], None]) -> None:
        """`send` sends a message to the controller."""
        self._send = send
        self._ramped: AsyncResult | None = None
        self.shape_exit: SystemExit | None = None
        """By what `tick()` has tried to end the process."""
        self.load_begun = False
        kept = list(environment.events.worker_report._handlers)  # noqa: SLF001  # Locust has no public way to read them
        # The base opens a port. Nothing yields between its return and the closing, so that nobody is ever served there.
        super().__init__(environment, "127.0.0.1", 0)
        self.server.close(linger=0)
        # The base would add the statistics of a worker's report to its own, which the controller feeds.
        environment.events.worker_report._handlers[:] = kept  # noqa: SLF001

    def follow(self, workers: Mapping[str, Mapping[str, int]], state: str, users_wanted: int) -> list[str]:
        """The fleet as it is now; the workers that are new."""
        new = [worker for worker in workers if worker not in self.clients]
        for worker in new:
            self.clients[worker] = WorkerNode(worker)
            self.get_worker_index(worker)
        for worker in list(self.clients):
            if worker not in workers:
                del self.clients[worker]
            else:
                self.clients[worker].user_classes_count = dict(workers[worker])
                self.clients[worker].state = state if state in (STATE_SPAWNING, STATE_RUNNING) else STATE_INIT
        self.target_user_count = users_wanted
        if self.shape_greenlet is None:
            self.update_state(state)
        return new

    def start(
        self, user_count: int, spawn_rate: float, wait: bool = False, user_classes: list[type[User]] | None = None
    ) -> None:
        """Have the controller ramp to so many users, and wait until they run: the shape asks for it."""
        del wait
        self.target_user_count, self.spawn_rate = user_count, spawn_rate
        self.update_state(STATE_SPAWNING)
        self._ramped = AsyncResult()
        ramp = _ramp_of(user_count, spawn_rate, user_classes)
        strangers = set(ramp.classes or ()) - {each.__name__ for each in self.environment.user_classes}
        if strangers:
            raise ValueError(f"tick() asks for users of {', '.join(sorted(strangers))}, which the run has none of")
        self._send(ramp)
        self._ramped.get()

    def shape_worker(self) -> None:
        """Ask the shape until it ends. In a greenlet an exit would end the process at once, and nobody would know where."""
        try:
            super().shape_worker()
        except SystemExit as error:
            self.shape_exit = error

    def note_spawned(self, users: int) -> None:
        """A ramp is over."""
        self.spawning_completed = True
        self.environment.events.spawning_complete.fire(user_count=users)
        if self._ramped is not None:
            self._ramped.set(users)

    def quit(self) -> None:
        """Locust's way to end the test: asks the controller to end the run."""
        self._ask_to_end("quit", sys._getframe(1))  # noqa: SLF001  # who called

    def stop(self, send_stop_to_client: bool = True) -> None:
        """As `quit`: a run is not started again, unlike a test of Locust's."""
        del send_stop_to_client
        self._ask_to_end("stop", sys._getframe(1))  # noqa: SLF001  # who called

    def _ask_to_end(self, call: str, caller: FrameType) -> None:
        if caller.f_code.co_filename.rpartition("/")[2] == "runners.py" and "locust" in caller.f_globals["__name__"]:
            return  # Locust's own listener of quitting
        self._send(QuitAsked(printable(f"the locustfile called runner.{call}(){in_brackets(place_of_call(caller))}")))

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        """Send a message to a worker; to all of them where none is named. Raises TypeError or ValueError for what can't be sent."""
        self._send(ToWorkers(str(msg_type), pack_data(data), None if client_id is None else str(client_id)))

    def heartbeat_worker(self) -> None:  # type: ignore[override]  # Locust's never returns
        """Nothing: the controller knows which workers there are."""

    def client_listener(self) -> None:  # type: ignore[override]  # Locust's never returns
        """Nothing: what workers say comes from the controller."""


def _ramp_of(users: Any, spawn_rate: Any, classes: Any) -> RampAsked:
    """What a shape asks for. Raises ValueError where that can't be told."""
    try:
        ramp = RampAsked(
            int(users), float(spawn_rate), None if classes is None else [each.__name__ for each in classes]
        )
        if abs(ramp.users) < _MAX_TOLD:
            return ramp
    except (AttributeError, OverflowError, TypeError, ValueError):
        pass
    asked = ", ".join(f"{each!r:.100}" for each in (users, spawn_rate, *([] if classes is None else [classes])))
    raise ValueError(f"tick() asks for ({asked}), which are no users and no rate")
