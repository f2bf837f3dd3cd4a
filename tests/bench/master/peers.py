"""What agents and workers say to a master, and what they answer: all that knows the two wires is in this file.

A peer is one connection. Its `step` answers what has come, says what is due, and tells how long until something is due again.
"""

from __future__ import annotations

# Locust comes first, as in its own command: importing it patches the standard library for gevent.
import locust  # isort: skip

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import zmq
from locust.event import Events
from locust.rpc import Message
from locust.runners import (
    CONNECT_TIMEOUT,
    HEARTBEAT_INTERVAL,
    STATE_INIT,
    STATE_RUNNING,
    STATE_SPAWNING,
    WORKER_REPORT_INTERVAL,
)
from locust.stats import RequestStats, setup_distributed_stats_event_listeners

from worker import __version__
from worker.agent.agent import Agent
from worker.load.loop_lag import PROBES_PER_SECOND, LagSecond
from worker.load.recorder import Recorder
from worker.load.runner import IDLE_REPORT_INTERVAL_S, READY_INTERVAL_S, REPORT_INTERVAL_S
from worker.wire.curve import Endpoint, Keys, connect
from worker.wire.messages import Facts, Reading, Ready, UsersRunning, encode
from worker.wire.reports import Report, WorkerSecond

USERS = 2
"""Users of a worker; each makes one request a second to every endpoint."""
VARIANTS = 16
"""Workers of the same second say one of so many different things: making them up for each would cost more than sending them."""
RECEIVED_BYTES = 2000
RUN = "bench"
SEED = 20_260_101


class Door(msgspec.Struct, frozen=True):
    """Where a master listens; with keys for each node where it wants them."""

    address: str
    public_key: str = ""
    nodes: dict[str, Keys] = {}

    @classmethod
    def read(cls, path: Path) -> Door:
        """As written by the master's process."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def write(self, path: Path) -> None:
        """For the peers' process."""
        path.write_bytes(msgspec.json.encode(self))


class Peer(Protocol):
    """One connection; an `Agent` is one too."""

    @property
    def socket(self) -> Any:
        """Readable when the master has said something."""

    def step(self) -> float:
        """Do what is due; how long until something is due again, in seconds."""


class Record:
    """What the workers measured. Those that report in the same second of their interval share VARIANTS records.

    A subclass logs requests and takes reports with what real workers use for it.
    """

    def __init__(self, interval_s: float) -> None:
        self.endpoints = 0
        """The endpoints that each user asks once a second; 0 while there is no load."""
        self.closed = False
        """Whether nothing is to be reported any more."""
        self._turns = int(interval_s)
        self._dice = random.Random(SEED)
        self._second = int(time.monotonic())
        self._reports: dict[tuple[int, int], tuple[Any, int, int]] = {}

    def latest(self, number: int, turn: int) -> tuple[Any, int, int]:
        """What worker `number`, whose turn it is, reports now, with the requests and the endpoints in it."""
        second = int(time.monotonic())
        while self._second < second:
            self._second += 1
            self._make_up(self._second % self._turns)
        key = (turn, number % VARIANTS)
        if key not in self._reports:
            self._reports[key] = self.take(*key)
        return self._reports[key]

    def _make_up(self, turn: int) -> None:
        for variant in range(VARIANTS):
            for every in range(self._turns):
                for endpoint in range(self.endpoints):
                    for _ in range(USERS):
                        self.log((every, variant), f"/endpoint/{endpoint:02}", self._dice.lognormvariate(3.0, 0.5))
            self._reports[turn, variant] = self.take(turn, variant)

    def log(self, key: tuple[int, int], name: str, latency_ms: float) -> None:
        """Log one request in one record."""
        raise NotImplementedError

    def take(self, turn: int, variant: int) -> tuple[Any, int, int]:
        """What a record has since it was last taken; the requests and the endpoints in it."""
        raise NotImplementedError


class StockRecord(Record):
    """By Locust's own statistics, reported as Locust's worker does."""

    def __init__(self) -> None:
        super().__init__(WORKER_REPORT_INTERVAL)
        self._stats: dict[tuple[int, int], tuple[RequestStats, Events]] = {}

    def _of(self, key: tuple[int, int]) -> tuple[RequestStats, Events]:
        if key not in self._stats:
            stats, events = RequestStats(use_response_times_cache=False), Events()
            setup_distributed_stats_event_listeners(events, stats)
            self._stats[key] = (stats, events)
        return self._stats[key]

    def log(self, key: tuple[int, int], name: str, latency_ms: float) -> None:
        self._of(key)[0].log_request("GET", name, latency_ms, RECEIVED_BYTES)

    def take(self, turn: int, variant: int) -> tuple[Any, int, int]:
        data: dict[str, Any] = {}
        self._of((turn, variant))[1].report_to_master.fire(client_id="", data=data)
        return data, data["stats_total"]["num_requests"], len(data["stats"])


class _Lag:
    """A loop that is hardly ever late, in place of the workers' LoopLag."""

    def __init__(self) -> None:
        self._dice = random.Random(SEED)

    def second(self, second: int) -> LagSecond:
        del second
        entry = LagSecond()
        entry.cpu_percent = 5.0
        for _ in range(PROBES_PER_SECOND):
            entry.histogram.add(self._dice.lognormvariate(-1.0, 0.7))
        return entry


class FleetRecord(Record):
    """By this project's recorder, in its reports."""

    def __init__(self) -> None:
        super().__init__(REPORT_INTERVAL_S)
        self._recorders: dict[tuple[int, int], Recorder] = {}

    def _of(self, key: tuple[int, int]) -> Recorder:
        if key not in self._recorders:
            self._recorders[key] = Recorder(_Lag())
        return self._recorders[key]

    def log(self, key: tuple[int, int], name: str, latency_ms: float) -> None:
        self._of(key).record("GET", name, latency_ms, RECEIVED_BYTES)

    def take(self, turn: int, variant: int) -> tuple[Any, int, int]:
        report = self._of((turn, variant)).make_report({})
        entries = [entry for second in report.seconds for entry in second.endpoints]
        return report, sum(entry.total for entry in entries), len({entry.name for entry in entries})


class Worker:
    """A worker without users: it obeys, and reports what `record` says that it measured."""

    present_every_s: float
    report_every_s: float

    def __init__(self, socket: Any, identity: str, number: int, record: Record) -> None:
        self.requests = 0
        """Reported so far."""
        self.endpoints = -1
        """In the last report; -1 before the first."""
        self.kept = True
        """Whether no report is left that the master would still have to acknowledge."""
        self.socket = socket
        self.record = record
        self._identity = identity
        self._number = number
        self._users: dict[str, int] = {}
        self._timers: list[tuple[float, float, Callable[[], None]]] = [
            (time.monotonic(), self.present_every_s, self.present)
        ]

    def step(self) -> float:
        """Do what is due."""
        while True:
            try:
                self.answer(Message.unserialize(self.socket.recv(zmq.NOBLOCK)))
            except zmq.Again:
                break
        now_s = time.monotonic()
        for number, (due_s, every_s, act) in enumerate(self._timers):
            if due_s <= now_s:
                act()
                late = (now_s - due_s) // every_s  # what was slept through is left out, and the schedule stays
                self._timers[number] = (due_s + every_s * (1 + late), every_s, act)
        return min(due_s for due_s, _, _ in self._timers) - now_s

    def begin(self, *others: tuple[float, Callable[[], None]]) -> None:
        """The master knows this worker: report from now on, and do the `others` so often. Each at a time of its own."""
        phase = self._number * 0.618034 % 1
        now_s = time.monotonic()
        self._turn = int(phase * self.report_every_s)
        # In the reports' second of the interval that is this worker's turn.
        first_s = now_s + (phase * self.report_every_s - now_s) % self.report_every_s
        self._timers = [(first_s, self.report_every_s, self._report)]
        self._timers += [(now_s + phase * every_s, every_s, act) for every_s, act in others]

    def _report(self) -> None:
        if self.record.closed:
            return
        content, requests, self.endpoints = self.record.latest(self._number, self._turn)
        self.requests += requests
        self.report(content)

    def send(self, frame: bytes) -> None:
        """Raises zmq.Again when the master has read nothing for so long that the queue is full."""
        self.socket.send(frame, zmq.NOBLOCK)

    def say(self, kind: str, data: Any = None) -> None:
        """A message in Locust's own format."""
        self.send(Message(kind, data, self._identity).serialize())

    def present(self) -> None:
        """Say that this worker is there."""
        raise NotImplementedError

    def answer(self, message: Message) -> None:
        """Act on what the master said."""
        raise NotImplementedError

    def report(self, content: Any) -> None:
        """Send a report, now or with the next one."""
        raise NotImplementedError


class StockWorker(Worker):
    """As Locust's WorkerRunner."""

    present_every_s = CONNECT_TIMEOUT
    report_every_s = WORKER_REPORT_INTERVAL

    def __init__(self, context: Any, door: Door, number: int, record: Record) -> None:
        identity = f"node{number:05}_{number:032x}"
        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, identity.encode())
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
        socket.connect(door.address)
        super().__init__(socket, identity, number, record)
        self._state = STATE_INIT

    def present(self) -> None:
        self.say("client_ready", locust.__version__)

    def answer(self, message: Message) -> None:
        match message.type:
            case "ack":
                self.begin((HEARTBEAT_INTERVAL, self._beat))
            case "spawn":
                self.say("spawning")
                self._state = STATE_SPAWNING
                self._users = message.data["user_classes_count"]
                self.say("spawning_complete", self._running())
                self._state = STATE_RUNNING

    def _running(self) -> dict[str, Any]:
        return {"user_classes_count": self._users, "user_count": sum(self._users.values())}

    def _beat(self) -> None:
        self.say("heartbeat", {"state": self._state, "current_cpu_usage": 5.0, "current_memory_usage": 80_000_000})

    def report(self, content: Mapping[str, Any]) -> None:
        self.say("stats", {**content, **self._running()})


class FleetWorker(Worker):
    """As worker.load.runner.FleetWorker. Reports that are not taken are not sent again."""

    present_every_s = READY_INTERVAL_S
    report_every_s = REPORT_INTERVAL_S

    def __init__(self, socket: Any, identity: str, number: int, record: Record) -> None:
        super().__init__(socket, identity, number, record)
        self._order = 0
        self._reports = 0
        self._reported_s = 0.0
        self._untold: list[WorkerSecond] = []

    def send(self, frame: bytes) -> None:
        self.socket.send_multipart([self._identity.encode(), frame], zmq.NOBLOCK)

    def present(self) -> None:
        self.send(encode(("client_ready", Ready(locust.__version__, SEED, 1, RUN), self._identity)))

    def answer(self, message: Message) -> None:
        match message.type:
            case "ack":
                self.begin()
            case "rejoin":
                self.present()
            case "acknowledged":
                self.kept = message.data == self._reports
            case "spawn":
                self.say("spawning")
                self._order = message.data["timestamp"]
                self._users = message.data["user_classes_count"]
                done = UsersRunning(self._users, sum(self._users.values()))
                self.send(encode(("spawning_complete", done, self._identity)))

    def report(self, content: Report) -> None:
        self._untold += content.seconds
        now_s = time.monotonic()
        idle = not self._users and not any(second.endpoints for second in self._untold)
        if idle and now_s < self._reported_s + IDLE_REPORT_INTERVAL_S - 1:
            return
        self._reports += 1
        mine = msgspec.structs.replace(
            content,
            incarnation=SEED,
            number=self._reports,
            order=self._order,
            sent_s=now_s,
            users=self._users,
            seconds=self._untold,
        )
        self._untold, self._reported_s = [], now_s
        self.send(encode(("stats", mine, self._identity)))
        self.kept = False


class _Sensors:
    """A Pi at ease."""

    def facts(self) -> Facts:
        return Facts(
            simulated=True,
            model="Raspberry Pi 5 Model B",
            cpu_count=4,
            memory_bytes=8 << 30,
            os="Linux-6.12",
            python="3.13.5",
            piswarm=__version__,
        )

    def read(self) -> Reading:
        return Reading(
            cpu_percent=5.0,
            memory_percent=10.0,
            memory_used_bytes=800 << 20,
            load_1min=0.2,
            temperature_c=50.0,
            frequency_hz=2.4e9,
            conditions=0xF0,
            conditions_lately=0xF0,
            conditions_since_start=0xF0,
        )


def stock_peers(context: Any, door: Door, workers: int) -> tuple[Record, list[Peer], list[Worker]]:
    """Locust's: a connection for each worker. Their record, all peers, and those of them that are workers."""
    record = StockRecord()
    all_workers = [StockWorker(context, door, number, record) for number in range(workers)]
    return record, [*all_workers], [*all_workers]


def fleet_peers(context: Any, door: Door, workers: int) -> tuple[Record, list[Peer], list[Worker]]:
    """Ours: for each node a real agent and a worker, each on a connection of its own."""
    assert len(door.nodes) == workers
    record, endpoint = FleetRecord(), Endpoint(door.address, door.public_key)
    agents, all_workers = [], []
    for number, (name, keys) in enumerate(door.nodes.items()):
        agents.append(Agent(name, endpoint, keys, _Sensors(), context=context))
        identity = f"{name}_0"
        all_workers.append(FleetWorker(connect(context, endpoint, keys), identity, number, record))
    return record, [*agents, *all_workers], [*all_workers]


PEERS = {"stock": stock_peers, "ours": fleet_peers}
