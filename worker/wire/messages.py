"""Every message between a node and the controller, declared once; both ends read this file.

A node opens two kinds of connection to the controller's one port, each a CURVE-encrypted DEALER with an identity of its own:

- its *agent*, identity `NODE`: sends AgentMessage, receives ControllerMessage, both MessagePack arrays tagged by type name;
- each *worker*, identity `NODE_INDEX`: speaks Locust's `[type, data, node_id]`, where WORKER_MESSAGES names the type of `data`
  for every message type that a worker may send.

What a node sends has its identity in a frame before the message; the controller sends the message alone. Node names have no
underscore, so an identity tells its node, and the key of the connection must be that node's. ZeroMQ's own identities are not
used: a peer could take another's there before anyone has looked at its key. Times on the wire are monotonic seconds of the sender's own
clock, never wall clock; the receiver maps them to its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from worker.load.histogram import Buckets, Milliseconds

MAX_MESSAGE_BYTES = 4 << 20
"""Larger messages end the sender's connection; a report of 60 busy seconds stays below 1 MB."""
WAITING_S = 1.0
"""A request that has been in flight for so long is told of with its age."""
MAX_WORKERS = 8
"""Workers of one node: two for each core of a Pi."""
MAX_LOCUSTFILE = 1 << 20
"""Characters of an operator's own Locust file."""

# Bounds on what a peer may say; a message beyond them is not decoded.
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
SmallCount = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
"""A number of requests or users, of which no node has more."""
Percent = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Users = Annotated[dict[Text, SmallCount], msgspec.Meta(max_length=1000)]
NonEmptyText = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Capacity = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
"""How much load a node can carry, in cores of a Raspberry Pi 4 at full clock."""
Conditions = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
"""What holds a Pi back: bits 0 to 3 say what holds, bits 4 to 7 what of it is known (worker/telemetry/conditions.py); 0 is unknown."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's sensors say at one moment. None means unknown, which is never the same as well."""

    cpu_percent: Percent
    """Of all cores together, over the time since the reading before."""
    memory_percent: Percent
    memory_used_bytes: Count
    load_1min: Annotated[float, msgspec.Meta(ge=0, le=1e6)]
    temperature_c: Annotated[float, msgspec.Meta(ge=-100, le=300)] | None = None
    frequency_hz: Annotated[float, msgspec.Meta(ge=0, le=1e12)] | None = None
    """The CPU's true clock, measured; what the system has merely asked for is no reading."""
    fan_rpm: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    fan_step: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    """The step that the system has set the fan to; 0 is off."""
    conditions: Conditions = 0
    """At this moment; of up to 8 s ago where only `vcgencmd` can be asked, which is so of the clock as well."""
    conditions_lately: Conditions = 0
    """At any moment since the sample before that the node knows of."""
    conditions_since_start: Conditions = 0
    """At any moment since the agent began."""
    network_received_bytes: Count = 0
    network_sent_bytes: Count = 0
    disk_read_bytes: Count = 0
    disk_written_bytes: Count = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while a node is connected."""

    simulated: bool
    model: NonEmptyText
    cpu_count: Count
    memory_bytes: Count
    os: NonEmptyText
    """By the name that it gives itself, such as "Debian GNU/Linux 13 (trixie)"."""
    python: NonEmptyText
    piswarm: NonEmptyText
    kernel: NonEmptyText = "unknown"
    revision: NonEmptyText = "unknown"
    """A Pi's board revision, such as "c03115"."""
    capacity: Capacity | None = None
    """When it is cool; None when it was not measured."""


class Hello(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """An agent presents its node; repeated until it is welcomed, and when the controller asks for it."""

    facts: Facts


class AgentHeartbeat(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A sign of life between samples that are more than HEARTBEAT_INTERVAL_S apart."""


class ClockReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The answer to a Question, at once: its time back, with the agent's own monotonic clock and its wall clock (Unix time)."""

    asked_s: Seconds
    answered_s: Seconds
    wall_s: Seconds


class WorkerEnded(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A worker process of the node has ended by itself.

    `how` is its exit status with its last words; the agent starts it again in `again_in_s`. `crashing` says that it has
    ended again and again within a short time.
    """

    worker: Text
    how: Text
    again_in_s: Seconds
    crashing: bool


class WorkerRecovered(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A worker that ended again and again has lived for a while."""

    worker: Text


class Goodbye(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The node leaves by its own will: its agent was told to end by someone else than the controller."""


class Sample(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """One telemetry reading of one node.

    `number` counts the slots of the agent's schedule from 0, so a gap in it is a sample that was due and is missing.
    `due_s` is when its slot began, to the period exactly; `sent_s` when it was really taken and sent, a little later.
    """

    number: Count
    due_s: Seconds
    sent_s: Seconds
    reading: Reading


class UserShare(msgspec.Struct, frozen=True):
    """How many users are of one class: by a weight, or a fixed count. The other of the two is 0."""

    weight: float = 0
    fixed_count: int = 0


class Work(msgspec.Struct, frozen=True):
    """What the workers of a run do: how much of which users, against which host."""

    run: Text
    """The run's name. A worker of another run is none of its own."""
    users: Mapping[str, UserShare]
    host: str
    seed: int
    stop_timeout_s: float
    locustfile: str | None = None
    """A path on the worker's machine."""
    users_max: SmallCount = 0
    """Of all workers together, at the most."""
    spawn_rate: float = 0.0
    """Users per second, in the first stage."""
    duration_s: float = 0.0
    """Of the load, by plan."""
    variables: Mapping[str, str] = {}
    """Environment variables that give the locustfile's own options their values (worker/load/locust_options.py)."""


class Assignment(msgspec.Struct, frozen=True):
    """What an agent is to have its workers do."""

    work: Work
    number: Count
    """The node's place in the fleet, from 0."""
    nodes: Annotated[int, msgspec.Meta(ge=1)]
    """How many nodes the fleet has."""
    workers: Annotated[int, msgspec.Meta(ge=1, le=MAX_WORKERS)] | None = None
    """None: one for each core."""
    locustfile: Annotated[str, msgspec.Meta(max_length=MAX_LOCUSTFILE)] | None = None
    """The operator's own Locust file, as text, where the node has it not; then `work` names none."""


class Welcome(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The controller takes the node in: sample every `period_s` from now on."""

    period_s: float


class Assign(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Have workers that do this, and nothing else. It may come again: they go on with what they do already."""

    assignment: Assignment


class HelloRequest(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The controller does not know the node (it began anew): say Hello."""


class ClockRequest(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The controller asks for the agent's clocks, at `asked_s` by its own monotonic clock."""

    asked_s: float


class Quit(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The run is over: end the workers, and leave, or wait for another run."""


AgentMessage = Hello | Sample | AgentHeartbeat | ClockReply | WorkerEnded | WorkerRecovered | Goodbye
ControllerMessage = Welcome | Assign | HelloRequest | ClockRequest | Quit


class EndpointSecond(msgspec.Struct, array_like=True):
    """One endpoint in one second of one worker: the requests that ended in it, and those in flight at its end.

    `buckets` with `max_ms` are the response times of requests that were no failure, `failed_buckets` those of failures. Requests
    that got no answer at all are not among these: see Unanswered.
    """

    method: Text
    name: Text
    total: SmallCount
    failed: SmallCount
    received_bytes: Count
    max_ms: Milliseconds
    buckets: Buckets
    own_clock: SmallCount = 0
    """Of those that did not fail, how many response times were ended by the worker's own clock, and so are longer by its loop's lag."""
    failed_max_ms: Milliseconds = 0.0
    failed_buckets: Buckets = msgspec.field(default_factory=dict)
    untimed: SmallCount = 0
    """Of `total`, those without a response time."""
    in_flight: SmallCount = 0
    """Requests that had been sent and not answered when the second ended."""
    waiting_max_ms: Milliseconds = 0.0
    waiting_buckets: Buckets = msgspec.field(default_factory=dict)
    """How long those of them had been waiting then that had been for WAITING_S at least."""


class Unanswered(msgspec.Struct, array_like=True):
    """Requests to one endpoint that got no answer: they timed out, or were cut off when their user was stopped. All are failures.

    All were sent in second `sent` of the worker's monotonic clock and given up in second `ended`, when they were as old as
    `buckets` and `max_ms` tell.
    """

    method: Text
    name: Text
    sent: Count
    ended: Count
    total: Annotated[int, msgspec.Meta(ge=1, le=1 << 32)]
    max_ms: Milliseconds
    buckets: Buckets


class WorkerSecond(msgspec.Struct, array_like=True):
    """One second of one worker: its requests, its users, and how fit its process was to measure them.

    `second` is the whole part of the worker's monotonic clock; the lag is a histogram of how late the event loop's
    timers fired; `cpu_percent` is of one core, None when it is not known.
    """

    second: Count
    cpu_percent: Percent | None
    lag_max_ms: Milliseconds
    lag_buckets: Buckets
    endpoints: list[EndpointSecond]
    users: SmallCount | None = None
    """Users that ran when the second ended; None when nobody counted them."""
    local_errors: SmallCount = 0
    """Requests that failed for want of something on the node itself, such as a free port or descriptor."""
    local_error: Text = ""
    """The first of these."""
    exceptions: SmallCount = 0
    """Exceptions that the code of users let through."""


class ErrorCount(msgspec.Struct, array_like=True):
    """How often one error met one endpoint since the report before."""

    method: Text
    name: Text
    error: Text
    count: SmallCount


class ExceptionCount(msgspec.Struct, array_like=True):
    """How often the code of one user class let one exception through at one place since the report before."""

    user_class: Text
    type: Text
    message: Text
    place: Text
    """File and line of the user's own code, and the function."""
    line: Text
    """The source line."""
    count: SmallCount


class Report(msgspec.Struct, array_like=True):
    """What a worker did since its report before. Every request is in exactly one report.

    `life` is the worker's, as in Ready, and `number` counts its reports from 1. The worker keeps a report, and sends it again, until the controller has
    said that it is taken. They are taken in order of number, without a gap: what comes a second time is known by its number
    and not counted again, and what comes before its predecessor waits until the worker sends both again.
    """

    life: Count
    number: Count
    order: Count
    """The last order that the worker has had from this controller; 0 for none."""
    sent_s: Seconds
    users: Users
    """Running users by class name."""
    seconds: list[WorkerSecond]
    errors: list[ErrorCount]
    unanswered: list[Unanswered] = msgspec.field(default_factory=list)
    exceptions: list[ExceptionCount] = msgspec.field(default_factory=list)
    requesting: Annotated[list[Text], msgspec.Meta(max_length=1000)] = msgspec.field(default_factory=list)
    """User classes that have made a request on this worker; "" stands for requests whose user is not known."""


class UsersRunning(msgspec.Struct):
    """A worker's answer to a spawn order."""

    user_classes_count: Users
    user_count: SmallCount


class Ready(msgspec.Struct):
    """A worker presents itself: its Locust version, and which life of the worker this is, a number drawn at its start.

    `first` is the number of the first report that it still has, or of its next one: those before were taken.
    """

    locust: Text
    life: Count
    first: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
    run: Text
    """The run that it works for."""


class RunEndRequest(msgspec.Struct):
    """A worker asks for the whole run to end, for what its locustfile has done; `run` is the one that it works for."""

    run: Text
    reason: Text


WORKER_MESSAGES: dict[str, Any] = {
    "client_ready": Ready,
    "client_stopped": None,
    "spawning": None,
    "spawning_complete": UsersRunning,
    "stats": Report,
    "end_run": RunEndRequest,
    "quit": None,
}

HEARTBEAT_INTERVAL_S = 1.0
"""An agent is heard at least this often."""

encode = msgspec.msgpack.encode
decode_agent_message = msgspec.msgpack.Decoder(AgentMessage).decode
decode_controller_message = msgspec.msgpack.Decoder(ControllerMessage).decode


def node_of(identity: str) -> str:
    """The node that an identity belongs to: `pi007` for both `pi007` (its agent) and `pi007_0` (a worker)."""
    return identity.partition("_")[0]


def number_of(worker: str) -> int:
    """A worker's number among those of its node: 0 for `pi007_0`. Raises ValueError for what is no worker's identity."""
    return int(worker.partition("_")[2])
