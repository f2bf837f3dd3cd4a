"""A real worker process, and the controller's end of its connection, for the length of a `with` block."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq

from worker.load.histogram import ArrivalTally, Histogram
from worker.wire.curve import Endpoint, end_context, new_keys
from worker.wire.messages import ArrivalDeal, Ready, encode
from worker.wire.orders import WorkerOrders, WorkerSpec
from worker.wire.reports import Report
from worker.wire.work import ArrivalPlan, RateSegment, UserShare, Work

ROOT = Path(__file__).parents[1]
NODE = "pi001"
WORKER = f"{NODE}_0"
RUN = "test"
LIMIT_S = 30.0
STOP_TIMEOUT_S = 3.0


def steady(rate_per_s: float, duration_s: float) -> ArrivalPlan:
    """Return the plan of a rate that is the same for so long."""
    return ArrivalPlan([RateSegment(duration_s, rate_per_s, rate_per_s, 0)], 1)


class WorkerProcess:
    """One worker. What it reports is acknowledged, and kept."""

    def __init__(
        self, locustfile: Path, users: tuple[str, ...], host: str, plan: ArrivalPlan | None, *, core: int | None = None
    ) -> None:
        """Start it; with `core` on this core alone. `plan` is None for the closed model."""
        server, keys = new_keys(), new_keys()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.curve_server = True
        self._socket.curve_secretkey = server.secret.encode()
        port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        work = Work(
            RUN,
            {name: UserShare(weight=1) for name in users},
            host,
            0,
            STOP_TIMEOUT_S,
            root=str(locustfile.parent),
            locustfiles=[locustfile.name],
            arrivals=plan,
        )
        orders = WorkerOrders(Endpoint(f"tcp://127.0.0.1:{port}", server.public), WorkerSpec(NODE, 0, keys), work)
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self.process = subprocess.Popen(
            [*pinned, sys.executable, "-m", "worker.load.process"], cwd=ROOT, stdin=subprocess.PIPE
        )
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(orders) + b"\n")
        self.process.stdin.flush()
        self.reports: list[Report] = []
        self.said: list[tuple[str, Any]] = []
        """All messages, with their data as it came."""
        self.start_s = 0.0
        """Plan time 0."""
        self.sent_s = 0.0
        """When it was last told anything."""
        self._route = b""
        self._orders = 0
        self._host = host

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self.process.stdin is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self._socket.close()
        end_context(self._context)

    # What it is told

    def send(self, kind: str, data: Any) -> None:
        """Send a message to the worker, which must have been heard before."""
        self._socket.send_multipart([self._route, encode((kind, data, WORKER))])
        self.sent_s = time.monotonic()

    def order(self, users: Mapping[str, int]) -> None:
        """Order it to run so many users of each class."""
        self._orders += 1
        self.send(
            "spawn",
            {
                "timestamp": self._orders,
                "user_classes_count": dict(users),
                "host": self._host,
                "stop_timeout": STOP_TIMEOUT_S,
                "parsed_options": {},
            },
        )

    def run_users(self, users: Mapping[str, int]) -> None:
        """Order users, and wait until the worker says that they run."""
        self.order(users)
        self.wait_for("spawning_complete")

    def deal(self, first: int, end: int, slots: Mapping[str, list[int]], *, period: int | None = None) -> None:
        """Deal it arrivals; without a `period` all of them."""
        owned = sum(map(len, slots.values()))
        self.send("arrivals", ArrivalDeal(first, end, self.start_s, 0, period or owned, dict(slots)))

    def begin(self, in_s: float = 0.2) -> None:
        """Have plan time 0 be so many seconds from now on."""
        self.start_s = time.monotonic() + in_s

    def stop(self) -> None:
        """End its load, and wait until it says that it has stopped."""
        self.send("stop", None)
        self.wait_for("client_stopped")

    # What it says

    def join(self) -> Ready:
        """Let it join."""
        ready: Ready = msgspec.convert(self.wait_for("client_ready"), Ready)
        self.send("ack", {"index": 0, "acknowledged": len(self.reports)})
        return ready

    def wait_for(self, kind: str) -> Any:
        """Return the data of its next message of this kind."""
        while (message := self.hear())[0] != kind:
            pass
        return message[1]

    def hear(self) -> tuple[str, Any]:
        """Return its next message. A report is acknowledged."""
        kind, data = self.hear_silently()
        if kind == "stats":
            self.send("acknowledged", len(self.reports))
        return kind, data

    def hear_silently(self) -> tuple[str, Any]:
        """Return its next message, as a controller that says nothing."""
        assert self._socket.poll(1000 * LIMIT_S), "the worker says nothing"
        self._route, _, frame = self._socket.recv_multipart()
        kind, data, _ = msgspec.msgpack.decode(frame, strict=False)
        if kind == "stats":
            report = msgspec.msgpack.Decoder(tuple[str, Report, str]).decode(frame)[1]
            if report.number == len(self.reports) + 1:
                self.reports.append(report)
        self.said.append((kind, data))
        return kind, data

    def hear_until(self, holds: Callable[[], object]) -> None:
        """Listen until something holds."""
        while not holds():
            self.hear()

    def hear_for(self, seconds: float) -> None:
        """Listen for so long."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            if self._socket.poll(1000 * left_s):
                self.hear()

    def hear_until_plan(self, offset_s: float) -> None:
        """Listen until this plan time."""
        self.hear_for(self.start_s + offset_s - time.monotonic())

    # What it has reported

    def arrivals(self, user_class: str | None = None) -> ArrivalTally:
        """Return all of its arrivals, or those of a class."""
        found = ArrivalTally()
        for _, tally in self.arrivals_by_second(user_class):
            found.merge(tally)
        return found

    def arrivals_by_second(self, user_class: str | None = None) -> list[tuple[int, ArrivalTally]]:
        """Return each entry of its reports with its second."""
        return [
            (
                second.second,
                ArrivalTally(
                    row.started,
                    row.missed,
                    row.late,
                    row.given_up,
                    Histogram(row.lateness_buckets, row.lateness_max_ms),
                ),
            )
            for report in self.reports
            for second in report.seconds
            for row in second.arrivals
            if user_class in {None, row.user_class}
        ]

    def requests(self) -> Counter[str]:
        """Return how many requests it has made, by name."""
        found: Counter[str] = Counter()
        for report in self.reports:
            for second in report.seconds:
                for entry in second.endpoints:
                    found[entry.name] += entry.total
        return found

    def errors(self) -> Counter[str]:
        """Return what it reports as errors, and how often."""
        found: Counter[str] = Counter()
        for report in self.reports:
            for error in report.errors:
                found[error.error] += error.count
        return found
