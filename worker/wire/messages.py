"""Every message between a node and the controller, declared once; both ends read this file.

A node opens two kinds of connection to the controller's one port, each a CURVE-encrypted DEALER with an identity of its own:

- its *agent*, identity `NODE`: sends AgentMessage, receives ControllerMessage, both MessagePack arrays tagged by type name;
- each *worker*, identity `NODE_INDEX`: speaks Locust's `[type, data, node_id]`, where WORKER_MESSAGES names the type of `data`
  for every message type that a worker may send.

What a node sends has its identity in a frame before the message; the controller sends the message alone. Node names have no
underscore, so an identity names its node, and the key of the connection must be that node's. ZeroMQ's own identities are not
used: a peer could take another's there before its key is checked.

Times are in seconds of the sender's monotonic clock unless stated otherwise; the receiver maps them to its own. A second (an
integer) is the whole part of such a time. Latencies are in milliseconds, in histograms of worker/load/histogram.py: `buckets`
counts by bucket, `max_ms` is the exact maximum. A message that breaks a bound below does not decode: it is dropped and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from worker.load.histogram import Buckets, Milliseconds
from worker.wire.rows import DataTable, RowsRequest, RowsUsed

MAX_MESSAGE_BYTES = 4 << 20
"""A larger message ends the sender's connection. A report of 60 busy seconds stays below 1 MB."""
WAITING_S = 1.0
"""Requests in flight for at least this long are reported with their age."""
MAX_WORKERS = 8
"""The most workers of one node: two for each core of a Pi."""
MAX_PROJECT_BYTES = 256 << 20
"""The most bytes of all files of a Locust project together."""
MAX_ARCHIVE_BYTES = 64 << 20
"""The most bytes of its archive, which each node is sent."""
MAX_PROJECT_FILES = 10_000
PROJECT_PART_BYTES = 64 << 10
MAX_PROJECT_DATA = 1 << 20
"""The most bytes of a message that a locustfile sends, or that its listeners attach to a report."""
MAX_LOGGED_LINE = 4000
"""The most characters of a line of a worker's output."""
MAX_LOGGED_LINES = 200
HEARTBEAT_INTERVAL_S = 1.0
"""The longest time between two messages of a connected agent."""

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""A SHA-256 in hexadecimal."""
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
SmallCount = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
"""A number of requests or users of one node."""
Percent = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Users = Annotated[dict[Text, SmallCount], msgspec.Meta(max_length=1000)]
NonEmptyText = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Capacity = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
"""The load that a node can carry, in cores of a Raspberry Pi 4 at full clock."""
ProjectData = Annotated[bytes, msgspec.Meta(max_length=MAX_PROJECT_DATA)]
"""What a locustfile hands over, as Locust serializes it; worker/load/project_data.py packs and unpacks it."""
Conditions = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
"""Condition flags of a Pi: the low nibble active, the high nibble known (worker/telemetry/conditions.py). 0 is nothing known."""


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


class UserShare(msgspec.Struct, frozen=True):
    """The share of users of one class: a weight, a fixed count, or a count of each node or worker. The others of these are 0."""

    weight: float = 0
    fixed_count: int = 0
    per_node: int = 0
    per_worker: int = 0


class RateSegment(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of the rate curve of the open model: a line, with a sine on top of it.

    At `t` seconds into it the rate is
    from_per_s + (to_per_s - from_per_s) * t / duration_s + amplitude_per_s * sin(2 * pi * (sine_from_s + t) / period_s)
    """

    duration_s: Seconds
    from_per_s: Seconds
    to_per_s: Seconds
    stage: Count
    """The stage that it belongs to, from 0."""
    amplitude_per_s: Seconds = 0.0
    """At most the lowest rate of the line; 0 for no sine."""
    period_s: Seconds = 0.0
    poisson: bool = False
    """Whether arrivals are a Poisson process; else they are even. The same for all segments of a stage."""
    sine_from_s: Seconds = 0.0
    """How far the sine has come when the segment begins: a sine goes on after a spike as if there had been none."""


class ArrivalPlan(msgspec.Struct, frozen=True, array_like=True):
    """All arrivals of a run in the open model, from plan time 0 on (worker/load/arrivals/schedule.py)."""

    segments: list[RateSegment]
    seed: int


class Tracing(msgspec.Struct, frozen=True):
    """Which requests are traced, and where their spans go."""

    endpoint: str
    """Base URL of a collector that takes OTLP over HTTP."""
    sample_percent: float = 1.0
    """Percent of the requests, chosen at random."""


ArgumentValue = str | bool | list[str]
"""The value of an option of a locustfile's own: a text as on a command line, a flag, or several texts."""


class Work(msgspec.Struct, frozen=True):
    """The load that the workers of a run make: which users, in which shares, against which host."""

    run: Text
    """The run's name. The controller of a run takes no workers of another."""
    users: Mapping[str, UserShare]
    """Shares by name of the user class."""
    host: str | None
    """The base URL of the target; None where each user class has its own."""
    seed: int
    stop_timeout_s: float
    """Seconds that users may take to finish their task when they are stopped."""
    root: str | None = None
    """The folder of the Locust project, on the worker's machine; None for the user classes that come with piswarm."""
    locustfiles: list[str] = []
    """To be imported in this order; relative to `root`."""
    working_directory: str | None = None
    """Of the worker's process; None: the one that it was started in."""
    users_max: SmallCount = 0
    """The most users of all workers together."""
    spawn_rate: float = 0.0
    """Users per second of the first stage."""
    duration_s: float = 0.0
    """The planned length of the load in seconds."""
    variables: Mapping[str, str] = {}
    """Environment variables with the values of the locustfile's own options (worker/load/locust_options.py)."""
    arguments: Mapping[str, ArgumentValue] = {}
    """Values of the locustfile's own options that the scenario gives, by name."""
    tags: list[str] | None = None
    """Only tasks with one of these run; None: all."""
    exclude_tags: list[str] | None = None
    """Tasks with one of these do not run."""
    environment: Mapping[str, str] = {}
    """Environment variables of where the run was started that the scenario names; secrets."""
    tracing: Tracing | None = None
    """None: no request is traced."""
    target_password: str = ""
    """The password of the target's accounts, a secret; empty where none is known."""
    arrivals: ArrivalPlan | None = None
    """The arrivals of the open model; None for the closed one."""
    data: Mapping[str, DataTable] = {}
    """Tables of rows that users may take, by name (worker/wire/rows.py)."""

    def __repr__(self) -> str:
        """Without its secrets, which so stay out of logs and tracebacks."""
        return f"Work(run={self.run!r}, users={self.users!r}, host={self.host!r}, …)"


class Project(msgspec.Struct, frozen=True):
    """A Locust project that a node's workers need, as an archive (worker/project)."""

    sha256: Sha256
    """Of the archive."""
    size: Annotated[int, msgspec.Meta(gt=0, le=MAX_ARCHIVE_BYTES)]
    """Bytes of the archive."""
    unpacked_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_PROJECT_BYTES)]


class Assignment(msgspec.Struct, frozen=True):
    """The work of a node's workers."""

    work: Work
    number: Count
    """The node's number in the fleet, from 0."""
    nodes: Annotated[int, msgspec.Meta(ge=1)]
    """The number of nodes in the fleet."""
    workers: Annotated[int, msgspec.Meta(ge=1, le=MAX_WORKERS)] | None = None
    """The number of workers; None for one per core."""
    project: Project | None = None
    """What the node is to fetch first; `work.locustfiles` lie in it, and `work.root` is None. None: nothing, all that is needed is there."""


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
    """The data, as worker/load/project_data.py packs it."""


class EndpointSecond(msgspec.Struct, array_like=True):
    """One endpoint in one second of one worker: the requests that ended in that second, and those in flight at its end.

    Requests that got no answer at all are not counted here: see Unanswered.
    """

    method: Text
    name: Text
    total: SmallCount
    """Requests, failed ones included."""
    failed: SmallCount
    received_bytes: Count
    """Bytes of the bodies of all answers."""
    max_ms: Milliseconds
    buckets: Buckets
    """Latencies of requests that did not fail."""
    userspace_timed: SmallCount = 0
    """The number of latencies in `buckets` that were ended by the worker's own clock, and so contain its event loop's lag."""
    failed_max_ms: Milliseconds = 0.0
    failed_buckets: Buckets = msgspec.field(default_factory=dict)
    """Latencies of failed requests."""
    without_latency: SmallCount = 0
    """Requests of `total` without a latency."""
    in_flight: SmallCount = 0
    """Requests sent and not answered at the end of the second."""
    waiting_max_ms: Milliseconds = 0.0
    waiting_buckets: Buckets = msgspec.field(default_factory=dict)
    """Ages of those in flight that had been waiting for at least WAITING_S."""
    service_max_ms: Milliseconds = 0.0
    service_buckets: Buckets = msgspec.field(default_factory=dict)
    """In the open model the service times of the requests in `buckets`: from their actual start, not from when they were due."""


class ArrivalSecond(msgspec.Struct, array_like=True):
    """The arrivals of the open model that were due in one second of one worker, for one user class.

    Each arrival is counted once: as started, missed or given up.
    """

    user_class: Text
    started: SmallCount
    missed: SmallCount
    """Not started because no user was free."""
    late: SmallCount = 0
    """Of those started, the ones that the worker looked at too late by a fault of its own."""
    given_up: SmallCount = 0
    """Not started because the worker itself was far too late for them."""
    lateness_max_ms: Milliseconds = 0.0
    lateness_buckets: Buckets = msgspec.field(default_factory=dict)
    """Of those started: how much later than due they started."""


class Unanswered(msgspec.Struct, array_like=True):
    """Requests to one endpoint that got no answer: they timed out, or were cut off when their user was stopped. All are failures."""

    method: Text
    name: Text
    sent: Count
    """The second in which all of them were sent."""
    ended: Count
    """The second in which all of them were given up."""
    total: Annotated[int, msgspec.Meta(ge=1, le=1 << 32)]
    max_ms: Milliseconds
    buckets: Buckets
    """Their ages when they were given up."""


class WorkerSecond(msgspec.Struct, array_like=True):
    """One second of one worker: its requests, its users, and its fitness to measure them."""

    second: Count
    cpu_percent: Percent | None
    """CPU use of the worker's process in percent of one core; None when unknown."""
    lag_max_ms: Milliseconds
    lag_buckets: Buckets
    """Lag of the event loop: how late each of its probes fired."""
    endpoints: list[EndpointSecond]
    users: SmallCount | None = None
    """Users running at the end of the second, and those that had come to their own end; None when they were not counted."""
    local_errors: SmallCount = 0
    """Requests that failed for lack of a resource of the node itself, such as a free port or descriptor."""
    local_error: Text = ""
    """The message of the first of these."""
    exceptions: SmallCount = 0
    """Exceptions that the users' code did not catch."""
    arrivals: list[ArrivalSecond] = msgspec.field(default_factory=list)
    """In the open model: the arrivals due in the second, by user class."""


class ErrorCount(msgspec.Struct, array_like=True):
    """The number of times that one error occurred at one endpoint since the report before."""

    method: Text
    name: Text
    error: Text
    count: SmallCount


class ExceptionCount(msgspec.Struct, array_like=True):
    """The number of times that one exception came out of one place in a user class's code since the report before."""

    user_class: Text
    type: Text
    message: Text
    place: Text
    """File, line and function, in the user's own code."""
    line: Text
    """The source line."""
    count: SmallCount


class Report(msgspec.Struct, array_like=True):
    """Worker: everything that it has recorded since its report before. Every request is in exactly one report.

    The worker keeps a report, and sends it again, until the controller acknowledges it. Reports are acknowledged in order of
    `number`, without a gap: the controller drops a report that it has acknowledged already, and one whose predecessor is
    missing, until the worker sends both again.
    """

    incarnation: Count
    """As in Ready."""
    number: Count
    """The number of the report in this incarnation of the worker, from 1."""
    order: Count
    """The number of the latest spawn order from this controller; 0 for none."""
    sent_s: Seconds
    users: Users
    """Running users by class name; in the open model those that are done with their `on_start`."""
    seconds: list[WorkerSecond]
    errors: list[ErrorCount]
    unanswered: list[Unanswered] = msgspec.field(default_factory=list)
    exceptions: list[ExceptionCount] = msgspec.field(default_factory=list)
    requesting: Annotated[list[Text], msgspec.Meta(max_length=1000)] = msgspec.field(default_factory=list)
    """User classes that have made a request on this worker; "" for requests of an unknown user."""
    attached: ProjectData = b""
    """What the locustfile's listeners of report_to_master have added to the report, a mapping; empty without any."""
    ended: Users = msgspec.field(default_factory=dict)
    """How many users of each class have ended by themselves since the worker began. They are not made again."""
    rows: Annotated[list[RowsUsed], msgspec.Meta(max_length=1000)] = msgspec.field(default_factory=list)
    """What it did with the data rows that were leased to it."""


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
