"""Locust's events, in a process that may have several workers.

Under Locust's own command the global `locust.events` are the events of the one environment of the process, and a locustfile may use
either: to fire, and to listen. Here each worker of a process has an environment and events of its own, while all of them share
the locustfile's module, and so the global events. What is fired there, or listens there, is therefore taken to be of the worker
in whose greenlets it happens; what listens there when a worker begins (since the locustfile was imported) listens to each.
"""

from __future__ import annotations

import traceback
from typing import Any

import gevent
import locust
from locust.event import EventHook, Events

from worker.load.recorder import Recorder, RequestEvent
from worker.load.worker_event import WorkerEvent

_OF_WORKER = "worker.load.events"
"""Under which name all greenlets that a worker's first one has spawned, and theirs, find its events."""
MAX_FAILURES = 10
_workers: list[WorkerEvents] = []


class WorkerEvents(Events):  # type: ignore[misc]  # Locust is untyped
    """All events of one worker. An event that a locustfile has added to the global ones is found here, too."""

    def __init__(self, recorder: Recorder) -> None:
        """The calling greenlet, and all that it spawns from now on, belong to this worker, whose requests `recorder` counts."""
        super().__init__()
        share_global_events()
        self.failures: list[str] = []
        """What listeners have raised so far, the first few."""
        self._recorder = recorder
        for name, hook in vars(locust.events).items():
            if isinstance(hook, GlobalEvent):
                setattr(self, name, WorkerEvent(name, hook.listeners, self.note_failure))
        self.request = RequestEvent(recorder, locust.events.request.listeners, self.note_failure)
        gevent.getcurrent().spawn_tree_locals[_OF_WORKER] = self
        _workers.append(self)

    def __getattr__(self, name: str) -> Any:
        """An event of the locustfile's own."""
        return getattr(locust.events, name)

    def note_failure(self, event: str, error: BaseException) -> None:
        """A listener of `event` has raised `error`."""
        said = f"{type(error).__name__}: {error}{_place(error)}"
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(said)
        self._recorder.note_exception(f"listener of {event}", error, error.__traceback__)


class GlobalEvent(EventHook):  # type: ignore[misc]  # Locust is untyped
    """One of the global events: what happens to it happens to that of the worker in whose greenlets it happens."""

    def __init__(self, name: str, listeners: list[Any]) -> None:
        super().__init__()
        self._handlers = listeners
        self._name = name

    @property
    def listeners(self) -> list[Any]:
        """Those of every worker that is still to come."""
        return list(self._handlers)

    def _of_worker(self) -> Any:
        events = _events_here()
        return None if events is None else getattr(events, self._name)

    def add_listener(self, handler: Any) -> Any:
        """Listen to the worker in whose greenlet this is called; to all that are still to come where it is none's."""
        hook = self._of_worker()
        return super().add_listener(handler) if hook is None else hook.add_listener(handler)

    def remove_listener(self, handler: Any) -> None:
        """Listen no more."""
        hook = self._of_worker()
        if hook is None:
            super().remove_listener(handler)
        else:
            hook.remove_listener(handler)

    def fire(self, *, reverse: bool = False, **kwargs: Any) -> None:
        """Call the listeners."""
        hook = self._of_worker()
        if hook is None:
            super().fire(reverse=reverse, **kwargs)
        else:
            hook.fire(reverse=reverse, **kwargs)


def share_global_events() -> None:
    """Have `locust.events` lead to the workers of this process. To be called before a locustfile is imported."""
    for name, hook in list(vars(locust.events).items()):
        if type(hook) is EventHook:
            setattr(locust.events, name, GlobalEvent(name, hook._handlers))  # noqa: SLF001  # Locust has no public way


def _events_here() -> WorkerEvents | None:
    """The events of the worker to which the current greenlet belongs.

    What runs in no greenlet of a worker (a callback of the event loop, a thread of the system's) counts as the first one's.
    """
    tree = getattr(gevent.getcurrent(), "spawn_tree_locals", None) or {}
    found: WorkerEvents | None = tree.get(_OF_WORKER, _workers[0] if _workers else None)
    return found


def _place(error: BaseException) -> str:
    """Where it was raised: ` (locustfile.py:12)`."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
