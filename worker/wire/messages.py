"""Every message between a node and the controller, declared once; both ends read this file.

What larger messages are made of is beside it: `work.py` what workers are to do, `reports.py` what they have measured, `rows.py`
data rows; `bounds.py` has the bounds of all.

A node opens two kinds of connection to the controller's one port, each a CURVE-encrypted DEALER with an identity of its own:

- its *agent*, identity `NODE`: sends AgentMessage, receives ControllerMessage, both MessagePack arrays tagged by type name;
- each *worker*, identity `NODE_INDEX`: speaks Locust's `[type, data, node_id]`, where WORKER_MESSAGES names the type of `data`
  for every message type that a worker may send.

What a node sends has its identity in a frame before the message; the controller sends the message alone. Node names have no
underscore, so an identity names its node, and the key of the connection must be that node's. ZeroMQ's own identities are not
used: a peer could take another's there before its key is checked.

Times are in seconds of the sender's monotonic clock unless stated otherwise; the receiver maps them to its own. A second (an
integer) is the whole part of such a time. Latencies are in milliseconds, in histograms of worker/load/histogram.py: `buckets`
counts by bucket, `max_ms` is the exact maximum. A message that breaks a bound does not decode: it is dropped and counted.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from worker.wire.bounds import (
    MAX_ARCHIVE_BYTES,
    MAX_LOGGED_LINE,
    MAX_LOGGED_LINES,
    PROJECT_PART_BYTES,
    Capacity,
    Conditions,
    Count,
    NonEmptyText,
    Percent,
    ProjectData,
    Seconds,
    Sha256,
    SmallCount,
    Text,
    Users,
)
from worker.wire.reports import Report
from worker.wire.rows import RowsRequest
from worker.wire.work import Assignment


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a node's hardware at one moment. None is unknown, and never counts as well."""

    cpu_percent: Percent
    """CPU use of all cores together since the reading before, 100 when all are busy."""
    memory_percent: Percent
    memory_used_bytes: Count
    load_1min: Annotated[float, msgspec.Meta(ge=0, le=1e6)]
    temperature_c: Annotated[float, msgspec.Meta(ge=-100, le=300)] | None = None
    frequency_hz: Annotated[float, msgspec.Meta(ge=0, le=1e12)] | None = None
    """The CPU clock as measured by the firmware, not the one that the system has asked for."""
    fan_rpm: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    fan_step: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    """The step that the system has set the fan to, 0 for off."""
    conditions: Conditions = 0
    """Flags now. Where only `vcgencmd` answers, flags and clock are up to 8 s old."""
    conditions_lately: Conditions = 0
    """Flags that have been active since the sample before."""
    conditions_since_start: Conditions = 0
    """Flags that have been active since the agent started."""
    # Bytes since the machine started; 0 where it does not count them.
    network_received_bytes: Count = 0
    network_sent_bytes: Count = 0
    disk_read_bytes: Count = 0
    disk_written_bytes: Count = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Properties of a node that do not change while it is connected."""

    simulated: bool
    model: NonEmptyText
    """The board's name as its firmware reports it; the processor's architecture on other machines."""
    cpu_count: Count
    memory_bytes: Count
    os: NonEmptyText
    """The name of its distribution, such as "Debian GNU/Linux 13 (trixie)"."""
    python: NonEmptyText
    piswarm: NonEmptyText
    kernel: NonEmptyText = "unknown"
    revision: NonEmptyText = "unknown"
    """A Pi's board revision, such as "c03115"."""
    capacity: Capacity | None = None
    """Capacity when it is cool; None when it has not been measured."""
    tracing: bool = False
    """Whether its workers can export spans: OpenTelemetry is installed."""
    modules: Annotated[list[Text], msgspec.Meta(max_length=5000)] | None = None
    """Top-level modules that its workers can import beside Python's own library; None when that is not known."""


class Hello(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: introduces its node. Repeated until a Welcome comes, and sent again on a HelloRequest."""

    facts: Facts


class AgentHeartbeat(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: a sign of life between samples that are more than HEARTBEAT_INTERVAL_S apart."""


class ClockReply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: the immediate answer to a ClockRequest."""

    asked_s: Seconds
    """`asked_s` of the request, which is a time of the controller's clock."""
    answered_s: Seconds
    wall_s: Seconds
    """The agent's wall clock, as Unix time."""


class WorkerEnded(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: a worker process of the node has ended by itself, or could not be started."""

    worker: Text
    how: Text
    """Exit status or signal, with the last line of its output."""
    restart_in_s: Seconds
    """Seconds until the agent starts it again."""
    crashing: bool
    """Whether it is in a crash loop: it has ended repeatedly, each time soon after its start."""


class WorkerRecovered(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: a worker that was in a crash loop has stayed up."""

    worker: Text


class LoggedLine(msgspec.Struct, frozen=True, array_like=True):
    """A line that a worker has printed or logged."""

    worker: Text
    at_s: Seconds
    text: Annotated[str, msgspec.Meta(max_length=MAX_LOGGED_LINE)]


class WorkerOutput(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: what the node's workers have printed and logged since the message before, without secrets."""

    lines: Annotated[list[LoggedLine], msgspec.Meta(max_length=MAX_LOGGED_LINES)]
    left_out: Count = 0
    """The number of lines that were too many to be sent."""
    last: bool = False
    """Whether the run is over for the node, and its workers have ended."""


class ProjectRequest(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: asks for the part of its workers' project that begins at `offset`, one at a time; at the end, that it has all of it."""

    sha256: Sha256
    offset: Annotated[int, msgspec.Meta(ge=0, le=MAX_ARCHIVE_BYTES)]


class Leave(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: the node leaves the run, because something other than the controller ends its agent."""


class Sample(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Agent: one telemetry reading of its node."""

    number: Count
    """The slot of the agent's schedule, from 0. A gap is a sample that was due and is missing."""
    due_s: Seconds
    """The time at which the slot began, a whole number of periods after the first."""
    sent_s: Seconds
    """The time at which the reading was taken and sent."""
    reading: Reading


class Welcome(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: the node is part of the run, and sends a Sample every `period_s` seconds from now on."""

    period_s: float


class Assign(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: run workers for this assignment and no others. Repeating it changes nothing."""

    assignment: Assignment


class ProjectPart(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: a part of a project's archive, as an agent has asked for it."""

    sha256: Sha256
    offset: Annotated[int, msgspec.Meta(ge=0, lt=MAX_ARCHIVE_BYTES)]
    data: Annotated[bytes, msgspec.Meta(max_length=PROJECT_PART_BYTES)]


class HelloRequest(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: send a Hello; the controller has restarted and does not know the node."""


class ClockRequest(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: send a ClockReply at once."""

    asked_s: float
    """The time of the request."""


class Quit(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: the run is over. The agent ends its workers; then it ends itself, or waits for the next run."""


class ArrivalDeal(msgspec.Struct, frozen=True, array_like=True):
    """Controller to a worker: start those of the arrivals `first` to `end` - 1 that lie in your slots.

    Arrival `i` lies in slot `(i - base) % period`. The slots of all workers together are 0 to `period` - 1, each once.
    """

    first: Count
    end: Count
    start_s: float
    """Plan time 0 on the worker's monotonic clock."""
    base: Count
    period: Annotated[int, msgspec.Meta(ge=1, le=1 << 32)]
    slots: dict[str, list[int]]
    """The worker's slots, in order, by user class."""


AgentMessage = (
    Hello | Sample | AgentHeartbeat | ClockReply | WorkerEnded | WorkerRecovered | WorkerOutput | ProjectRequest | Leave
)
ControllerMessage = Welcome | Assign | ProjectPart | HelloRequest | ClockRequest | Quit


class ProjectMessage(msgspec.Struct, frozen=True, array_like=True):
    """Either way: what a locustfile sends by `runner.send_message` to where it has called `register_message`.

    Locust kind "project_message", worker to controller and controller to worker.
    """

    kind: Text
    """The locustfile's name for this type of message."""
    data: ProjectData
    """The data, as worker/load/locustfile/attached_data.py packs it."""


class UsersRunning(msgspec.Struct):
    """Worker: a spawn order has been carried out."""

    user_classes_count: Users
    """Running users by class name."""
    user_count: SmallCount
    ended: Users = msgspec.field(default_factory=dict)
    """As in Report."""


class Ready(msgspec.Struct):
    """Worker: introduces itself. Repeated until the controller answers."""

    locust: Text
    """Its version of Locust."""
    incarnation: Count
    """A random number, drawn at the start of its process: a restarted worker numbers its reports from 1 again."""
    first: Annotated[int, msgspec.Meta(ge=1, le=1 << 53)]
    """The number of its oldest report that is not acknowledged, or of its next one."""
    run: Text
    """The run that it works for."""


class RunEndRequest(msgspec.Struct):
    """Worker: asks the controller to end the whole run, because of something that its locustfile did."""

    run: Text
    """The run that it works for."""
    reason: Text
    by_plan: bool = False
    """Whether that is a normal end of the test, as by `runner.quit()`: it is judged by what was measured until then."""


WORKER_MESSAGES: dict[str, Any] = {
    "client_ready": Ready,
    "client_stopped": None,
    "spawning": None,
    "spawning_complete": UsersRunning,
    "stats": Report,
    "end_run": RunEndRequest,
    "project_message": ProjectMessage,
    "rows_request": RowsRequest,
    "quit": None,
}

encode = msgspec.msgpack.encode
decode_agent_message = msgspec.msgpack.Decoder(AgentMessage).decode
decode_controller_message = msgspec.msgpack.Decoder(ControllerMessage).decode


def node_of(identity: str) -> str:
    """The node of an identity: `pi007` for both `pi007` (its agent) and `pi007_0` (a worker)."""
    return identity.partition("_")[0]


def number_of(worker: str) -> int:
    """The number of a worker among those of its node: 0 for `pi007_0`. Raises ValueError for any other identity."""
    return int(worker.partition("_")[2])
