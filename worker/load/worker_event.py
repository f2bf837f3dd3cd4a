"""An event of a worker, as Locust's, whose failing listeners do not go unseen."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from locust.event import EventHook
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

_LET_THROUGH = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)
"""What a listener may raise to steer the task that fired the event."""

logger = logging.getLogger(__name__)


class WorkerEvent(EventHook):  # type: ignore[misc]  # Locust is untyped
    """One event of one worker. A listener that raises is logged and counted among the worker's errors, and the others are called."""

    def __init__(self, name: str, listeners: list[Any], failed: Callable[[str, Exception], None] | None) -> None:
        """`failed` is told this event's name and what a listener has raised."""
        super().__init__()
        self._handlers = listeners
        self._name = name
        self._failed = failed

    def fire(self, *, reverse: bool = False, **kwargs: Any) -> None:
        """Call the listeners, as Locust's event does."""
        for listener in self._handlers[::-1] if reverse else self._handlers.copy():
            try:
                listener(**kwargs)
            except _LET_THROUGH:
                raise
            except Exception as error:  # noqa: BLE001  # whatever a locustfile raises
                logger.error("a listener of %s failed\n%s", self._name, traceback.format_exc())  # noqa: TRY400  # one record
                if self._failed is not None:
                    self._failed(self._name, error)
