"""Every message between a node and the controller, declared once; both ends read this file.

A node opens two kinds of connection to the controller's one port, each a CURVE-encrypted DEALER with an identity of its own:

- its *agent*, identity `NODE`: sends AgentMessage, receives ControllerMessage, both MessagePack arrays tagged by type name;
- each *worker*, identity `NODE_INDEX`: speaks Locust's `[type, data, node_id]`, where WORKER_MESSAGES names the type of `data`
  for every message type that a worker may send.

Node names have no underscore, so an identity tells its node. Times on the wire are monotonic seconds of the sender's own
clock, never wall clock; the receiver maps them to its own (see `ClockMap`).
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec

from worker.histogram import Buckets, Milliseconds

MAX_MESSAGE_BYTES = 4 << 20
"""Larger messages end the sender's connection; a report of 60 busy seconds stays below 1 MB."""


# Bounds on what a peer may say; a message beyond them is not decoded.
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Users = Annotated[dict[Text, Count], msgspec.Meta(max_length=1000)]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's sensors say at one moment. None means unknown, which is never the same as well."""

    cpu_percent: Percent
    """Of all cores together, over the time since the reading before."""
    memory_percent: Percent
    memory_used_bytes: Count
    load_1min: Annotated[float, msgspec.Meta(ge=0, le=1e6)]
    temperature_c: Annotated[float, msgspec.Meta(ge=-100, le=300)] | None = None
    frequency_hz: Annotated[float, msgspec.Meta(ge=0, le=1e12)] | None = None
    throttled: bool | None = None
    network_received_bytes: Count = 0
    network_sent_bytes: Count = 0
    disk_read_bytes: Count = 0
    disk_written_bytes: Count = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while a node is connected."""

    simulated: bool
    model: Text
    cpu_count: Count
    memory_bytes: Count
    os: Text
    python: Text
    piswarm: Text


class Hello(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """An agent presents its node; repeated until it is welcomed."""

    facts: Facts


class Sample(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """One telemetry reading of one node.

    `number` counts the slots of the agent's schedule from 0, so a gap in it is a sample that was due and is missing.
    `due_s` is when its slot began, to the period exactly; `sent_s` when it was really taken and sent, a little later.
    """

    number: Count
    due_s: Seconds
    sent_s: Seconds
    reading: Reading


class Welcome(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The controller takes the node in: sample every `period_s` from now on."""

    period_s: float


class Quit(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The run is over: leave."""


AgentMessage = Hello | Sample
ControllerMessage = Welcome | Quit


class UserShare(msgspec.Struct, frozen=True):
    """How many users are of one class: by a weight, or a fixed count. The other of the two is 0."""

    weight: float = 0
    fixed_count: int = 0


class EndpointSecond(msgspec.Struct, array_like=True):
    """The requests to one endpoint that one worker finished within one second."""

    method: Text
    name: Text
    total: Count
    failed: Count
    received_bytes: Count
    max_ms: Milliseconds
    buckets: Buckets


class WorkerSecond(msgspec.Struct, array_like=True):
    """One second of one worker: its requests, and how fit its process was to measure them.

    `second` is the whole part of the worker's monotonic clock; the lag is a histogram of how late the event loop's
    timers fired; `cpu_percent` is of one core, None when it is not known.
    """

    second: Count
    cpu_percent: Percent | None
    lag_max_ms: Milliseconds
    lag_buckets: Buckets
    endpoints: list[EndpointSecond]


class ErrorCount(msgspec.Struct, array_like=True):
    """How often one error met one endpoint since the report before."""

    method: Text
    name: Text
    error: Text
    count: Count


class Report(msgspec.Struct, array_like=True):
    """What a worker did since its report before. Every request is in exactly one report."""

    sent_s: Seconds
    users: Users
    """Running users by class name."""
    seconds: list[WorkerSecond]
    errors: list[ErrorCount]


class UsersRunning(msgspec.Struct):
    """A worker's answer to a spawn order."""

    user_classes_count: Users
    user_count: Count


class UserException(msgspec.Struct):
    """An exception that a user's code let through."""

    msg: str
    traceback: str


WORKER_MESSAGES: dict[str, Any] = {
    "client_ready": str | int,
    "client_stopped": None,
    "spawning": None,
    "spawning_complete": UsersRunning,
    "stats": Report,
    "exception": UserException,
    "quit": None,
}

encode = msgspec.msgpack.encode
decode_agent_message = msgspec.msgpack.Decoder(AgentMessage).decode
decode_controller_message = msgspec.msgpack.Decoder(ControllerMessage).decode


def node_of(identity: str) -> str:
    """The node that an identity belongs to: `pi007` for both `pi007` (its agent) and `pi007_0` (a worker)."""
    return identity.partition("_")[0]


class ClockMap:
    """Maps a peer's monotonic clock to the receiver's, from one-way messages that carry their time of sending.

    The difference between receipt and sending is the clocks' offset plus the way's delay; its minimum is the offset
    plus the shortest delay seen, on a rack's network well below the one-second slots that are mapped with it.
    """

    def __init__(self) -> None:
        self._offset_s = math.inf

    def observe(self, sent_s: float, received_s: float) -> None:
        """Learn from one message: when the peer sent it, by its clock, and when it came, by ours."""
        self._offset_s = min(self._offset_s, received_s - sent_s)

    def to_local(self, peer_s: float) -> float:
        """The time of ours that corresponds to `peer_s` of the peer's. Only after the first `observe`."""
        return peer_s + self._offset_s
