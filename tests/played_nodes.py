"""Nodes that are played: what an agent and its worker say, made up from a seed, by clocks that wander."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from random import Random
from typing import Any

import msgspec

from worker import __version__
from worker.load.histogram import Histogram
from worker.wire.messages import (
    WORKER_MESSAGES,
    AgentHeartbeat,
    AgentMessage,
    ClockReply,
    ClockRequest,
    ControllerMessage,
    Facts,
    Hello,
    HelloRequest,
    Reading,
    Ready,
    Sample,
    WorkerEnded,
    decode_agent_message,
    encode,
)
from worker.wire.reports import EndpointSecond, ErrorCount

FACTS = Facts(simulated=True, model="Pi 4", cpu_count=4, memory_bytes=4 << 30, os="o", python="p", piswarm=__version__)
BODIES = 64
"""Different seconds that workers report, in turn."""
NODE_FIGURES, WORKER_FIGURES = 20, 3
"""How many different figures the sensors show, and reports: so few that, soon, each node has shown all and nothing is new."""
STRAYS = 10
"""Endpoints in a second that were never seen before, where there are any."""
REPORTED_S = 2
"""Seconds in a report."""
ERRORS = 10
"""Errors in a report, none of which was ever seen before."""
DRIFT = 80e-6
"""By how much a node's clock may run fast or slow; it wanders between both."""
WALL_AHEAD_S = 1e6
"""By how much wall clocks are ahead of the controller's monotonic one."""
RUN = "played"
DELAY_S = 0.005
"""How long a message is on its way."""

_decoders = {kind: msgspec.msgpack.Decoder(data) for kind, data in WORKER_MESSAGES.items()}


@dataclass(frozen=True)
class Traffic:
    """What is reported."""

    endpoints: int
    stray: bool = False
    """Every report has requests to endpoints that were never seen before, as they have whose names have a number in them."""

    def bodies(self, random: Random) -> list[bytes]:
        """Encoded seconds, as many as BODIES: a few requests to each endpoint, some of which fail."""
        return [encode([self._second(number, random) for number in range(self.endpoints)]) for _ in range(BODIES)]

    @staticmethod
    def _second(number: int, random: Random) -> EndpointSecond:
        latencies = Histogram()
        for _ in range(3):
            latencies.add(random.lognormvariate(math.log(5.0), 0.5))
        if random.random() < 0.02:
            failure = {"failed_max_ms": 5.0, "failed_buckets": {431: 1}}
            return EndpointSecond("GET", f"/{number}", 4, 1, 900, latencies.max_ms, latencies.buckets, **failure)
        return EndpointSecond("GET", f"/{number}", 3, 0, 900, latencies.max_ms, latencies.buckets)


class PlayedNode:
    """An agent and, unless it is the controller's own, a worker. All of what they say goes through its encoding, so that
    each message is made of new objects, as it is when it comes from the wire."""

    def __init__(self, name: str, traffic: Traffic, bodies: list[bytes], numbers: Iterator[int]) -> None:
        self.name, self.worker = name, f"{name}_0"
        self.taken = 0
        """The last of the worker's reports that the master has."""
        self._traffic = traffic
        self._bodies = bodies
        self._numbers = numbers  # for what must be unique in the whole fleet
        self._random = Random(name)
        self._now_s, self._clock_s = 0.0, self._random.uniform(1e3, 1e6)
        self._drift = self._random.uniform(-DRIFT, DRIFT)
        self._wall_off_s = self._random.uniform(-3600, 3600)
        self._incarnation = 1
        self._order = 0
        self.users: Mapping[str, int] = {}
        """Those that the worker was last ordered to run, by class."""
        self._hello = self._ready = True
        self._asked_s: list[float] = []
        self._samples = count()
        self.reading: Callable[[], Reading] | None = None
        """What its sensors say, in place of figures out of the air."""

    # What it is told

    def on_agent_told(self, message: ControllerMessage) -> None:
        """The controller has sent this to the agent."""
        if isinstance(message, ClockRequest):
            self._asked_s.append(message.asked_s)
        elif isinstance(message, HelloRequest):
            self._hello = True

    def on_worker_told(self, kind: str, data: Any) -> None:
        """The master has sent this to the worker."""
        match kind:
            case "spawn":
                self._order, self.users = data["timestamp"], dict(data["user_classes_count"])
            case "ack":
                self.taken = data["acknowledged"]
            case "acknowledged":
                self.taken = data
            case "rejoin":
                self._ready = True

    # What it says

    def agent_says(self, now_s: float, *, sample: bool = True) -> list[AgentMessage]:
        """What is due now: a presentation if it was asked for, and a sample, or a mere sign of life."""
        sent_s = self._peer_s(now_s - DELAY_S)
        said: list[AgentMessage] = [Hello(FACTS)] if self._hello else []
        self._hello = False
        said.append(
            Sample(next(self._samples), float(int(sent_s)), sent_s, self._reading()) if sample else AgentHeartbeat()
        )
        return [decode_agent_message(encode(message)) for message in said]

    def answers(self, now_s: float) -> list[AgentMessage]:
        """Its clocks, as often as it was asked for them."""
        peer_s = self._peer_s(now_s - DELAY_S)
        asked_s, self._asked_s = self._asked_s, []
        return [ClockReply(asked, peer_s, WALL_AHEAD_S + now_s + self._wall_off_s) for asked in asked_s]

    def presents(self) -> Ready | None:
        """The worker's presentation, if one is due."""
        if not self._ready:
            return None
        self._ready = False
        return self._data("client_ready", Ready("2.47.0", self._incarnation, self.taken + 1, RUN))

    def reports(self, now_s: float) -> Any:
        """The worker's next report: its latest whole seconds, and errors."""
        peer_s = self._peer_s(now_s - DELAY_S)
        first = int(peer_s) - REPORTED_S
        seconds = [self._second(second) for second in range(first, first + REPORTED_S)]
        errors = [ErrorCount("GET", "/0", f"404 for order {next(self._numbers)}", 1) for _ in range(ERRORS)]
        return self._data(
            "stats", (self._incarnation, self.taken + 1, self._order, peer_s, self.users, seconds, errors)
        )

    def restart(self) -> AgentMessage:
        """The worker ends, and a new one will present itself; what the agent says of it."""
        self._incarnation += 1
        self.taken = self._order = 0
        self.users, self._ready = {}, True
        return WorkerEnded(self.worker, f"exit status {next(self._numbers)}", 1.0, crashing=False)

    def comes_back(self) -> None:
        """It was cut off, and what it was told meanwhile is lost."""
        self._asked_s = []

    def set_wall_clock(self) -> None:
        """Somebody sets its wall clock."""
        self._wall_off_s = self._random.uniform(-3600, 3600)

    def _second(self, second: int) -> tuple[Any, ...]:
        random = self._random
        body = self._bodies[random.randrange(BODIES)]
        if self._traffic.stray:
            names = (f"/items/{number}" for number in islice(self._numbers, STRAYS))
            strays = [EndpointSecond("GET", name, 1, 0, 300, 5.0, {431: 1}) for name in names]
            body = encode([*msgspec.msgpack.decode(body), *strays])
        lag = 250 + random.randrange(WORKER_FIGURES)
        buckets = {lag: 19, lag + 1: 1}
        return second, self._percent(WORKER_FIGURES), 1.02 ** (lag + 1) / 1000, buckets, msgspec.Raw(body)

    def _reading(self) -> Reading:
        if self.reading is not None:
            return self.reading()
        return Reading(
            cpu_percent=self._percent(NODE_FIGURES),
            memory_percent=self._percent(NODE_FIGURES),
            memory_used_bytes=self._random.randrange(1 << 30),
            load_1min=self._random.random(),
            temperature_c=self._random.uniform(50.0, 81.0),
            frequency_hz=1.5e9,
            conditions=0xF0,
            conditions_lately=0xF0,
            conditions_since_start=0xF0,
            network_received_bytes=self._random.randrange(1 << 20),
            network_sent_bytes=self._random.randrange(1 << 20),
        )

    def _percent(self, figures: int) -> float:
        """Below any limit but for one in ten."""
        random = self._random
        return 95.0 if random.random() < 0.1 else random.randrange(figures) / 10

    def _peer_s(self, now_s: float) -> float:
        self._drift = min(max(self._drift + self._random.gauss(0, 5e-6), -DRIFT), DRIFT)
        self._clock_s += (now_s - self._now_s) * (1 + self._drift)
        self._now_s = now_s
        return self._clock_s

    @staticmethod
    def _data(kind: str, data: Any) -> Any:
        return _decoders[kind].decode(encode(data))
