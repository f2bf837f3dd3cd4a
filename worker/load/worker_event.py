"""An event of one worker: Locust's EventHook, whose failing listeners are counted."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from locust.event import EventHook
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

_CONTROL_FLOW = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)
"""Exceptions by which a listener controls the task that fired the event."""

logger = logging.getLogger(__name__)


class WorkerEvent(EventHook):
    """One event of one worker. A listener that raises is logged and reported, and the others are called."""

    def __init__(self, name: str, listeners: list[Any], on_failure: Callable[[str, Exception], None] | None) -> None:
        """`on_failure` is called with this event's name and the exception that a listener has raised."""
        super().__init__()
        self._handlers = listeners
        self._name = name
        self._on_failure = on_failure
        self._when_heard: Callable[[], None] | None = None

    def when_heard(self, act: Callable[[], None]) -> None:
        """Call `act` once, as soon as there is a listener: now, or when the first one is added."""
        if self._handlers:
            act()
        else:
            self._when_heard = act

    def add_listener(self, handler: Any) -> Any:
        """Add a listener, as Locust's event does."""
        added = super().add_listener(handler)
        if self._when_heard is not None:
            act, self._when_heard = self._when_heard, None
            act()
        return added

    def fire(self, *, reverse: bool = False, **kwargs: Any) -> None:
        """Call the listeners, as Locust's event does."""
        for listener in self._handlers[::-1] if reverse else self._handlers.copy():
            try:
                listener(**kwargs)
            except _CONTROL_FLOW:
                raise
            except Exception as error:  # noqa: BLE001  # whatever a locustfile raises
                logger.error("a listener of %s failed\n%s", self._name, traceback.format_exc())  # noqa: TRY400  # one record
                if self._on_failure is not None:
                    self._on_failure(self._name, error)
