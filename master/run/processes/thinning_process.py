"""The controller's end of the process that thins run.db."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import gevent
import msgspec
from gevent import socket

from master.run.processes.child_process import Child
from master.store.thinned.parts import MinuteDone, Part, RequestPart
from master.thinning.frames import decode_part, frame, read_frame
from master.thinning.work import Job, ThinningOrders

GRACE_S = 0.0
"""It only reads: whatever it is at may be lost."""


class ThinningProcess:
    """One such process, at work on one job at a time."""

    def __init__(self, database: Path, thresholds: Sequence[str], log: Path) -> None:
        """Start it. `thresholds` are the run's, as texts; its output goes to the file `log`. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            orders = ThinningOrders(theirs.fileno(), str(database), list(thresholds))
            self._child = Child("thinning", "master.thinning", log=log, orders=orders, pass_descriptor=theirs.fileno())
        self._socket = ours
        self._parts: deque[Part] = deque()
        self._whole = False
        self._gone = False
        self._reading = gevent.spawn(self._read)

    def send(self, job: Job) -> None:
        """Have it work on a job, the next after the one before was taken in whole."""
        self._whole = False
        try:
            self._socket.sendall(frame(job))
        except OSError:
            self._gone = True

    def take(self) -> list[Part] | None:
        """The parts of the job, once all are there; None before."""
        if not self._whole:
            return None
        parts = list(self._parts)
        self._parts.clear()
        self._whole = False
        return parts

    @property
    def busy(self) -> bool:
        """Whether it lives and has not answered in whole."""
        return self.end is None and not self._whole

    @property
    def end(self) -> str | None:
        """How it ended; None while it lives."""
        return self._child.describe_end() if self._gone or self._child.ended() else None

    def stop(self) -> None:
        """End it."""
        self._reading.kill()
        self._socket.close()
        self._child.stop(GRACE_S)

    def _read(self) -> None:
        with self._socket.makefile("rb") as file:
            while True:
                try:
                    payload = read_frame(file.read)
                    part = None if payload is None else decode_part(payload)
                except (OSError, msgspec.MsgspecError):
                    part = None
                if part is None:
                    self._gone = True
                    return
                self._parts.append(part)
                self._whole = isinstance(part, MinuteDone | RequestPart)
