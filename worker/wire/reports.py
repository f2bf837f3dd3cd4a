"""What workers report: seconds, endpoints, errors and arrivals since the report before."""

from __future__ import annotations

from typing import Annotated

import msgspec

from worker.load.histogram import Buckets, Milliseconds
from worker.wire.bounds import Count, Percent, ProjectData, Seconds, SmallCount, Text, Users
from worker.wire.rows import RowsUsed


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
