"""Messages that a locustfile sends by `runner.send_message`, and receives where it has called `register_message`: a worker's half."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.queue import Queue
from locust.rpc import Message

from worker.load.locustfile.attached_data import pack_data, unpack_data
from worker.wire.messages import ProjectMessage

logger = logging.getLogger(__name__)

MAX_KEPT = 1000
"""Messages that are kept until the controller knows the worker, or until their listener comes to them; further ones are dropped."""
MESSAGES_PER_S = 200.0
"""A sender that is faster for long waits, so that a fleet of workers can't flood the controller."""
BYTES_PER_S = 1_000_000.0
BURST_S = 5.0
"""So many seconds' worth may be sent at once."""


class LocustfileMessages:
    """What a worker's locustfile sends and receives.

    Messages to the controller's side keep their order. Listeners are called one after the other in a greenlet of their own, so
    that a slow one delays the messages behind it and nothing else; concurrent ones each in their own, as Locust does it.
    """

    def __init__(
        self,
        send: Callable[[ProjectMessage], None],
        listener_of: Callable[[str], tuple[Callable[..., None], bool] | None],
        environment: Any,
        note_failure: Callable[[str, Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`listener_of` returns the listener registered for a type, and whether it is concurrent; `note_failure` hears what one raises."""
        self._send = send
        self._listener_of = listener_of
        self._environment = environment
        self._note_failure = note_failure
        self._clock = clock
        self._unsent: deque[ProjectMessage] = deque()
        self._received: Queue[tuple[Callable[..., None], Message]] = Queue()
        self._free_at_s = 0.0
        self.joined = False
        """Whether the controller knows the worker; `join` says so."""

    def send(self, kind: str, data: Any) -> None:
        """Send a message, or keep it until the controller knows the worker. Raises TypeError or ValueError for data that can't be sent."""
        message = ProjectMessage(kind, pack_data(data))
        if not self.joined:
            if len(self._unsent) < MAX_KEPT:
                self._unsent.append(message)
            else:
                logger.warning("a message of type %.100s is dropped: %d wait for the controller", kind, MAX_KEPT)
            return
        self._wait_for_turn(len(message.data))
        self._send(message)

    def join(self) -> None:
        """The controller knows the worker: send what waits."""
        self.joined = True
        while self._unsent:
            self._send(self._unsent.popleft())

    def leave(self) -> None:
        """There is no controller."""
        self.joined = False

    def _wait_for_turn(self, size: int) -> None:
        now_s = self._clock()
        cost_s = max(1 / MESSAGES_PER_S, size / BYTES_PER_S)
        self._free_at_s = max(self._free_at_s, now_s - BURST_S) + cost_s
        if self._free_at_s > now_s and not isinstance(
            gevent.getcurrent(), gevent.hub.Hub
        ):  # the event loop itself can't wait
            gevent.sleep(self._free_at_s - now_s)

    def accept(self, kind: str, packed: bytes, worker: str) -> None:
        """A message of the controller's side has come: have its listener called, with what Locust's listeners get."""
        registered = self._listener_of(kind)
        if registered is None:
            logger.warning("Unknown message type received: %.100s", kind)
            return
        try:
            message = Message(kind, unpack_data(packed), worker)
        except ValueError as error:
            logger.warning("a message of type %.100s is dropped: %s", kind, error)
            return
        listener, concurrent = registered
        if concurrent:
            gevent.spawn(self._call, listener, message)
        elif self._received.qsize() < MAX_KEPT:
            self._received.put((listener, message))
        else:
            logger.warning("a message of type %.100s is dropped: %d wait for their listener", kind, MAX_KEPT)

    def run(self) -> None:
        """Call listeners, for ever."""
        while True:
            self._call(*self._received.get())

    def _call(self, listener: Callable[..., None], message: Message) -> None:
        try:
            listener(environment=self._environment, msg=message)
        except Exception as error:
            logger.exception("the listener to messages of type %.100s failed", message.type)
            self._note_failure(f"messages of type {message.type}", error)
