"""The controller's end of the master side: what is to happen there goes into a queue, and what comes back is handed on.

Whatever the locustfile does, nothing here waits for it but `step`, which has a limit: what the process does not take is dropped and
counted when more than MAX_WAITING_BYTES wait, and from a process that says more than MAX_PER_S it is read no faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import msgspec
from gevent.event import AsyncResult, Event
from gevent.queue import Queue

from master.project.process.channel import ChannelError
from master.project.process.messages import At, Done, End, Tick, Where
from master.project.process.project_process import ProjectProcess

MAX_WAITING_BYTES = 32 << 20
MAX_PER_S = 2000
WHERE_S = 1.0
PING = 0
"""The number of the question by which the process is asked for a sign of life."""
END_S = 5.0
"""The process has so long to end by itself, once its last listeners are done."""


class StepLateError(Exception):
    """Raised when a step takes longer than it may; says where it is."""


class ProcessEndedError(Exception):
    """Raised when the process has ended; says how."""


class MasterLink:
    """Sends to one project's process and receives from it."""

    def __init__(self, process: ProjectProcess, handle: Callable[[msgspec.Struct], None]) -> None:
        """`handle` gets what the process says of its own accord."""
        self.process = process
        self._handle = handle
        self._outgoing: Queue = Queue()
        self._waiting_bytes = 0
        self._number = 0
        self._answers: dict[int, AsyncResult] = {}
        self._heard_s = time.monotonic()
        self._pinged_s: float | None = None
        self.ended = Event()
        """Set when the process has ended, or can't be talked to any more."""
        self.stuck = False
        """Whether the process has answered nothing at all for too long: it loops, and takes no further step."""
        self.dropped = 0
        """Reports and messages that the process did not take."""
        self._greenlets = [gevent.spawn(self._write), gevent.spawn(self._read)]

    def post(self, message: msgspec.Struct, size: int = 0) -> None:
        """Have a message sent, the largest part of which is `size` bytes; dropped where too many wait."""
        if self._waiting_bytes + size > MAX_WAITING_BYTES or self._outgoing.qsize() > MAX_PER_S * 10:
            self.dropped += 1
            return
        self._waiting_bytes += size
        self._outgoing.put((message, size))

    def step(self, make: Callable[[int], msgspec.Struct], limit_s: float, stopped: Event | None = None) -> Done | None:
        """Have the process take a step and wait until it is done; None when `stopped` comes first.

        Raises StepLateError and ProcessEndedError.
        """
        self._number += 1
        number, answer = self._number, AsyncResult()
        self._answers[number] = answer
        self._outgoing.put((make(number), 0))
        gevent.wait([answer, self.ended, *([stopped] if stopped is not None else [])], timeout=limit_s, count=1)
        if answer.ready():
            done: Done = answer.get()
            return done
        if self.ended.is_set():
            raise ProcessEndedError(self.process.describe_end())
        if stopped is not None and stopped.is_set():
            return None
        raise StepLateError(self._where(number))

    def hangs(self, limit_s: float) -> bool:
        """Whether the process has given no sign of life for so long, while no step was under way; it is asked for one.

        To be called every second or so. What runs there and waits, as gevent's `sleep` does, is no hang; then it is `stuck`.
        """
        now_s = time.monotonic()
        if self._answers:
            self._pinged_s = None
        elif self._pinged_s is None or self._heard_s >= self._pinged_s:
            self._pinged_s = now_s
            self._outgoing.put((Where(PING), 0))
        elif now_s - self._pinged_s > limit_s:
            self.stuck = True
        return self.stuck

    def _where(self, number: int) -> str:
        self._answers[-number] = answer = AsyncResult()
        self._outgoing.put((Where(number), 0))
        answer.wait(WHERE_S)
        self.stuck = not answer.ready()
        place: str = "" if self.stuck else answer.get()
        return f" at {place}" if place else self.process.place()

    def _write(self) -> None:
        while True:
            message, size = self._outgoing.get()
            self._waiting_bytes -= size
            try:
                self.process.channel.send(message)
            except OSError:
                self.ended.set()
                return
            except ChannelError:
                self.dropped += 1

    def _read(self) -> None:
        began_s, count = time.monotonic(), 0
        while True:
            try:
                message: Any = self.process.channel.receive()
            except (EOFError, ChannelError):
                self.ended.set()
                return
            self._heard_s = time.monotonic()
            match message:
                case Done(number=number):
                    self._answer(number, message)
                case At(number=number) if number == PING:
                    pass
                case At(number=number, place=place):
                    self._answer(-number, place)
                case _:
                    self._handle(message)
            gevent.sleep(0)
            count += 1
            if count >= MAX_PER_S:
                gevent.sleep(max(0.0, began_s + 1 - time.monotonic()))
                began_s, count = time.monotonic(), 0

    def _answer(self, number: int, value: object) -> None:
        answer = self._answers.pop(number, None)
        if answer is not None:
            answer.set(value)

    def close(self) -> None:
        """Let the process fire `quit`, and end."""
        if not self.stuck:
            self._outgoing.put((End(), 0))
            self.ended.wait(END_S)
        gevent.killall(self._greenlets)
        self.process.close()


def size_of(tick: Tick) -> int:
    """About how many bytes a tick has."""
    return 200 * len(tick.requests) + 50 * len(tick.workers)
