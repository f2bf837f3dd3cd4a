"""Locust's events, in a process that may have several workers.

Under Locust's own command the global `locust.events` are the events of the one environment of the process, and a locustfile may use
either: to fire, and to listen. Here each worker of a process has an environment and events of its own, while all of them share
the locustfile's module, and so the global events. What is fired there, or listens there, therefore belongs to the worker
in whose greenlets it happens; listeners that are there when a worker begins (since the import of the locustfile) listen to each.
"""

from __future__ import annotations

from typing import Any

import gevent
import locust
from locust.event import EventHook, Events

from worker.code_place import in_brackets, place_of_error
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent
from worker.load.user_exceptions import MAX_LENGTH, message_of
from worker.load.worker_event import WorkerEvent
from worker.printable import printable

_TREE_KEY = "worker.load.events"
"""The key of a worker's events in the spawn tree's locals of its greenlets."""
MAX_FAILURES = 10
_workers: list[WorkerEvents] = []


class WorkerEvents(Events):
    """All events of one worker, those that a locustfile has added to the global ones included."""

    def __init__(self, recorder: Recorder) -> None:
        """The calling greenlet, and all that it spawns from now on, belong to this worker, whose requests `recorder` counts."""
        super().__init__()
        share_global_events()
        self.failures: list[str] = []
        """Messages of the first MAX_FAILURES exceptions of listeners."""
        self._recorder = recorder
        for name, hook in vars(locust.events).items():
            if isinstance(hook, GlobalEvent):
                setattr(self, name, WorkerEvent(name, hook.listeners, self.note_failure))
        self.request = RequestEvent(recorder, locust.events.request.listeners, self.note_failure)  # type: ignore[attr-defined]  # a GlobalEvent by now
        gevent.getcurrent().spawn_tree_locals[_TREE_KEY] = self
        _workers.append(self)

    def __getattr__(self, name: str) -> Any:
        """An event that the locustfile has added to the global ones."""
        return getattr(locust.events, name)

    def note_failure(self, event: str, error: BaseException) -> None:
        """Note that a listener of `event` has raised `error`."""
        message = printable(
            f"{type(error).__name__}: {message_of(error)[:MAX_LENGTH]}{in_brackets(place_of_error(error))}"
        )
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(message)
        self._recorder.note_exception(f"listener of {event}", error, error.__traceback__)


class GlobalEvent(EventHook):
    """One of the global events. Calls go to the event of the worker to whose greenlets the caller belongs."""

    def __init__(self, name: str, listeners: list[Any]) -> None:
        super().__init__()
        self._handlers = listeners
        self._name = name

    @property
    def listeners(self) -> list[Any]:
        """The listeners that each further worker begins with."""
        return list(self._handlers)

    def _of_worker(self) -> Any:
        events = _current_events()
        return None if events is None else getattr(events, self._name)

    def add_listener(self, handler: Any) -> Any:
        """Listen to the worker to whose greenlets the caller belongs; to every further worker if it belongs to none."""
        hook = self._of_worker()
        return super().add_listener(handler) if hook is None else hook.add_listener(handler)

    def remove_listener(self, handler: Any) -> None:
        """Remove a listener that was added likewise."""
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
    """Make `locust.events` lead to the workers of this process. To be called before a locustfile is imported."""
    for name, hook in list(vars(locust.events).items()):
        if type(hook) is EventHook:
            setattr(locust.events, name, GlobalEvent(name, hook._handlers))  # noqa: SLF001  # Locust has no public way


def _current_events() -> WorkerEvents | None:
    """The events of the worker to which the current greenlet belongs; of the first worker, elsewhere.

    Elsewhere is a callback of the event loop, or a thread.
    """
    tree = getattr(gevent.getcurrent(), "spawn_tree_locals", None) or {}
    found: WorkerEvents | None = tree.get(_TREE_KEY, _workers[0] if _workers else None)
    return found
