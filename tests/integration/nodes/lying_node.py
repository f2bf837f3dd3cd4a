"""A node that has a key, is let in, makes no request, and reports what no node can have measured."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any, Self

import msgspec
import zmq

from worker import __version__
from worker.telemetry.conditions import pack_flags
from worker.wire.curve import Endpoint, Keys, connect, end_context
from worker.wire.messages import (
    Assign,
    ClockReply,
    ClockRequest,
    Facts,
    Hello,
    ProjectRequest,
    Quit,
    Reading,
    Ready,
    Sample,
    Welcome,
    decode_controller_message,
    encode,
)
from worker.wire.reports import EndpointSecond, ErrorCount, ExceptionCount, Report, Unanswered, WorkerSecond
from worker.wire.rows import RowsRequest, RowsUsed
from worker.wire.work import Project

MANY = 1 << 32
AT_1_MS = 349
"""The bucket of 1 ms."""
FACTS = Facts(
    simulated=True,
    model="\x1b]0;x\a",
    cpu_count=4,
    memory_bytes=8 << 30,
    os="o",
    python="p",
    piswarm=__version__,
    capacity=1e6,
)
STEP_S = 0.05


def good(requests: int, **changes: Any) -> EndpointSecond:
    """Return requests of 1 ms that all went well, on the endpoints that the other nodes request."""
    entry = EndpointSecond("GET", "/health", requests, 0, 0, 1.0, {AT_1_MS: requests} if requests else {})
    return msgspec.structs.replace(entry, **changes)


def second(at: int, *entries: EndpointSecond, **changes: Any) -> WorkerSecond:
    return msgspec.structs.replace(WorkerSecond(at, 5.0, 0.1, {232: 20}, list(entries)), **changes)


LIES: tuple[Callable[[int, Report], None], ...] = (
    lambda at, report: report.seconds.append(second(at, good(MANY))),
    lambda at, report: report.seconds.extend([second(at - 1, good(50_000))] * 100),
    lambda at, report: report.seconds.append(second(at, good(10, failed=MANY))),
    lambda at, report: report.seconds.append(second(at, good(0, userspace_timed=9))),
    lambda at, report: report.seconds.append(second(at, good(10, buckets={AT_1_MS: MANY}))),
    lambda at, report: report.seconds.append(second(at, good(10, max_ms=math.inf))),
    lambda _, report: report.seconds.append(second(0, good(10))),
    lambda at, report: report.seconds.append(second(at + 1000, good(10))),
    lambda at, report: report.seconds.append(second(at, good(0, in_flight=MANY))),
    lambda at, report: report.seconds.append(
        second(at, good(0, in_flight=3, waiting_max_ms=3.6e6, waiting_buckets={1105: 3}))
    ),
    lambda at, report: report.seconds.append(second(at, exceptions=MANY)),
    lambda at, report: report.seconds.append(second(at, lag_buckets={1: MANY})),
    lambda _, report: report.errors.append(ErrorCount("GET", "/health", "no", MANY)),
    lambda _, report: report.exceptions.append(ExceptionCount("Visitor", "E", "no", "x.py", "y", MANY)),
    lambda at, report: report.unanswered.append(Unanswered("GET", "/health", at, at, MANY, 1.0, {AT_1_MS: MANY})),
    lambda _, report: report.users.update(Visitor=MANY, Nobody=MANY),
    lambda _, report: setattr(report, "sent_s", report.sent_s + 1000),
)
"""Each a lie that is put into a report, about a second if it is about one."""


class LyingNode:
    """A node with one worker, which obeys every order and lies in every report, for the length of a `with` block."""

    def __init__(self, name: str, endpoint: Endpoint, keys: Keys) -> None:
        self.lies = 0
        """Told so far."""
        self._name, self._endpoint, self._keys = name, endpoint, keys
        self._worker = f"{name}_0"
        self._quit = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._users: dict[str, int] = {}
        self._run: str | None = None
        self._project: Project | None = None
        self._order = self._number = self._told_up_to = 0
        self._known = self._stopped = False
        self._sample_s = math.inf
        self._samples = count()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._quit.set()
        self._thread.join(10)

    def _live(self) -> None:
        context = zmq.Context()
        self._agent_socket, self._worker_socket = (connect(context, self._endpoint, self._keys) for _ in range(2))
        hello_s = 0.0
        while not self._quit.wait(STEP_S):
            self._listen()
            now_s = time.monotonic()
            if self._sample_s == math.inf and now_s >= hello_s:
                hello_s = now_s + 2
                self._say(Hello(FACTS))
            while now_s >= self._sample_s:
                self._say(Sample(next(self._samples), self._sample_s, now_s, self._reading()))
                self._sample_s += self._period_s
            if self._known and not self._stopped:
                self._report_up_to(int(now_s) - 1)
                self._lie_besides()
        for socket in (self._agent_socket, self._worker_socket):
            socket.close(linger=0)
        end_context(context)

    def _listen(self) -> None:
        while self._agent_socket.poll(0):
            match decode_controller_message(self._agent_socket.recv()):
                case Welcome(period_s=period_s):
                    self._period_s = period_s
                    self._sample_s = time.monotonic() + period_s
                case ClockRequest(asked_s=asked_s):
                    self._say(ClockReply(asked_s, time.monotonic(), time.time()))
                case Assign(assignment=assignment) if self._run is None:
                    self._run, self._project = assignment.work.run, assignment.project
                    self._say_as_worker("client_ready", Ready("2.47.0", 1, 1, self._run))
                case Quit():
                    self._quit.set()
        while self._worker_socket.poll(0):
            self._obey(*msgspec.msgpack.decode(self._worker_socket.recv())[:2])

    def _obey(self, kind: str, data: Any) -> None:
        match kind:
            case "ack":
                self._known = True
            case "spawn":
                self._order, self._users = data["timestamp"], data["user_classes_count"]
            case "stop":
                self._stopped = True
                self._say_as_worker("stats", self._told(int(time.monotonic()) + 1))
                self._say_as_worker("client_stopped", None)

    def _report_up_to(self, latest: int) -> None:
        """Report a lie for each second up to now, so that their number does not depend on how busy the machine is."""
        for at in range(self._told_up_to + 1 if self._told_up_to else latest, latest + 1):
            report = self._told(at)
            LIES[self.lies % len(LIES)](at, report)
            self.lies += 1
            self._say_as_worker("stats", report)

    def _lie_besides(self) -> None:
        """Called every STEP_S; this one's lies are in its reports."""

    def _told(self, up_to: int) -> Report:
        """Return a report of users that do nothing, for the time between two lies."""
        users = sum(self._users.values())
        idle = [second(each, users=users) for each in range(max(self._told_up_to, up_to - 60), up_to)]
        self._told_up_to = up_to
        self._number += 1
        now_s = time.monotonic()
        return Report(1, self._number, self._order, now_s, dict(self._users), idle, [], requesting=["Visitor"])

    @staticmethod
    def _reading() -> Reading:
        return Reading(
            cpu_percent=5.0,
            memory_percent=10.0,
            memory_used_bytes=1 << 30,
            load_1min=0.1,
            temperature_c=50.0,
            conditions_lately=pack_flags(0),
        )

    def _say(self, message: Any) -> None:
        self._agent_socket.send_multipart([self._name.encode(), encode(message)])

    def _say_as_worker(self, kind: str, data: Any) -> None:
        self._worker_socket.send_multipart([self._worker.encode(), encode((kind, data, self._worker))])


ALL_ROWS = (0, 1000)


class GraspingNode(LyingNode):
    """A node that lies about data rows and about the project: it asks for what there is not, and says it used what others have."""

    INCARNATION = 1
    """As in its Ready and its reports."""

    def _lie_besides(self) -> None:
        project = self._project
        if project is not None:
            for sha256, offset in (("0" * 64, 0), (project.sha256, project.size + 1), *[(project.sha256, 0)] * 8):
                self._say(ProjectRequest(sha256, offset))
        for table, received, draws in (("accounts", MANY, []), ("nobody", 0, []), ("draws", 0, [1 << 40])):
            self._say_as_worker("rows_request", RowsRequest(table, self.INCARNATION, received, 5, draws=draws))

    def _report_up_to(self, latest: int) -> None:
        for at in range(self._told_up_to + 1 if self._told_up_to else latest, latest + 1):
            report = self._told(at)
            for used, returned in (([ALL_ROWS], []), ([], [ALL_ROWS]), ([(5, 1)], [])):
                said = RowsUsed("accounts", used, returned, MANY, MANY, 1e9, MANY, {"Visitor": MANY, "Nobody": MANY})
                report.rows.append(said)
            self.lies += 1
            self._say_as_worker("stats", report)
