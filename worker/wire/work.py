"""The work of a run's workers, as the controller assigns it: users, load, project, options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from worker.wire.bounds import (
    MAX_ARCHIVE_BYTES,
    MAX_PROJECT_BYTES,
    MAX_WORKERS,
    Count,
    Seconds,
    Sha256,
    SmallCount,
    Text,
)
from worker.wire.rows import DataTable


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
    """Environment variables with the values of the locustfile's own options (worker/load/locustfile/options.py)."""
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
