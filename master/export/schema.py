"""The tables of an export and their columns, which docs/performance/export.md describes in the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "number", "boolean"]


@dataclass(frozen=True)
class Column:
    """One column; a value that is unknown, or has no meaning in a row, is null."""

    name: str
    kind: Kind
    meaning: str


@dataclass(frozen=True)
class Table:
    """One table, in order of time where its rows have one."""

    name: str
    meaning: str
    columns: tuple[Column, ...]


def _table(name: str, meaning: str, *columns: tuple[str, Kind, str]) -> Table:
    return Table(name, meaning, tuple(Column(*column) for column in columns))


SAMPLED = (
    ("cpu_percent", "CPU use of all cores together"),
    ("memory_percent", "memory in use, of all"),
    ("memory_used_bytes", "memory in use"),
    ("load_1min", "load average of a minute"),
    ("temperature_c", "temperature of the SoC"),
    ("frequency_hz", "CPU clock, as measured by the firmware"),
    ("fan_rpm", "speed of the fan"),
)
"""What samples have in three columns: the lowest, the mean and the highest."""
CONDITIONS = (
    ("under_voltage", "a supply that is too weak"),
    ("frequency_capped", "a clock that is capped because of the supply"),
    ("throttled", "a clock that is held down"),
    ("soft_limited", "a clock that is held down by the lower limit of some boards"),
)
PERCENTS = (50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99, 100.0)
_ENDPOINT: tuple[tuple[str, Kind, str], ...] = (
    ("method", "text", "of the endpoint, such as GET"),
    ("name", "text", "of the endpoint"),
)
_SECOND: tuple[str, Kind, str] = ("second", "integer", "seconds since the run began")
_NODE: tuple[str, Kind, str] = ("node", "text", "its name; `controller` is the controller's own machine")
_PERCENTILES: tuple[tuple[str, Kind, str], ...] = (
    ("p50_ms", "number", "half of the latencies are at most this"),
    ("p90_ms", "number", "90 %"),
    ("p95_ms", "number", "95 %"),
    ("p99_ms", "number", "99 %"),
    ("p999_ms", "number", "99.9 %"),
    ("max_ms", "number", "the longest latency"),
)

TABLES = (
    _table(
        "run",
        "The run, in one row.",
        ("run_id", "text", "as in `result.json`"),
        ("scenario", "text", "its name"),
        ("verdict", "text", "PASS, FAIL, INVALID or ABORTED"),
        ("reason", "text", "why, in one sentence"),
        ("started_at", "text", "wall clock at the beginning, ISO 8601 with offset; second 0 of the other tables"),
        ("duration_s", "number", "how long it took"),
        ("steady_s", "number", "of that, the seconds that were judged"),
        ("target", "text", "its address"),
        ("load_model", "text", "closed or open"),
        ("piswarm", "text", "the version that ran it"),
    ),
    _table(
        "nodes",
        "The nodes, and the controller's own machine, as they last said of themselves.",
        _NODE,
        ("simulated", "boolean", "whether it is no real machine"),
        ("model", "text", "of the machine"),
        ("cpu_count", "integer", "cores"),
        ("memory_bytes", "integer", "all of its memory"),
        ("os", "text", "operating system"),
        ("python", "text", "version of Python"),
        ("piswarm", "text", "version of piswarm"),
        ("state", "text", "as `piswarm nodes` shows it"),
        ("wall_offset_s", "number", "by how much its wall clock is ahead of the controller's"),
        ("capacity", "number", "the load that it can carry, in cores of a Raspberry Pi 4"),
    ),
    _table(
        "seconds",
        "The state of the run, second by second.",
        _SECOND,
        ("stage", "text", "of the load profile, such as `1 hold`"),
        ("steady", "boolean", "whether it is judged"),
        ("users", "integer", "users that ran"),
        ("ready", "integer", "nodes that could take load"),
        ("hot", "integer", "nodes that were hot"),
        ("lost", "integer", "nodes that were lost"),
        ("offered", "integer", "arrivals due by the schedule; null in the closed model"),
    ),
    _table(
        "requests",
        "What was finished by second and endpoint; once the run was thinned, by a span of up to a minute.",
        _SECOND,
        ("span_s", "integer", "how many seconds the row is of: 1 at full resolution"),
        *_ENDPOINT,
        ("fit", "boolean", "whether the workers were fit to measure it; other requests are in a row of their own"),
        ("steady", "boolean", "whether it is judged"),
        ("requests", "integer", "finished, failed ones included"),
        ("failed", "integer", "of these, failed"),
        ("unanswered", "integer", "of the failed, those without an answer"),
        ("without_latency", "integer", "requests that have none"),
        ("received_bytes", "integer", "bodies of all answers"),
        ("requests_per_s", "number", "`requests` / `span_s`"),
        ("mean_ms", "number", "mean latency; of failures only those without an answer are in latencies, by their age"),
        *_PERCENTILES,
        ("service_p50_ms", "number", "half of the service times, which are from the actual start on, are at most this"),
        ("service_p95_ms", "number", "95 %"),
        ("service_p99_ms", "number", "99 %"),
        ("failed_p50_ms", "number", "half of the latencies of other failures are at most this"),
    ),
    _table(
        "percentiles",
        "How latencies are distributed over the steady part, of what fit workers measured; without an endpoint: of all requests.",
        *_ENDPOINT,
        ("percent", "number", "so many percent of the requests took at most"),
        ("latency_ms", "number", "this latency"),
        ("service_time_ms", "number", "this service time"),
    ),
    _table(
        "arrivals",
        "Arrivals of the open model by the second in which they were due, or the first of a thinned span; no rows in the closed model.",
        _SECOND,
        ("user_class", "text", "the class of users"),
        ("fit", "boolean", "whether the workers were fit"),
        ("started", "integer", "arrivals that were started"),
        ("missed", "integer", "found no user free"),
        ("late", "integer", "of those started, looked at too late by the worker"),
        ("given_up", "integer", "given up, since the worker was far too late"),
        ("lateness_p50_ms", "number", "half of those started were at most this much later than due"),
        ("lateness_p99_ms", "number", "99 %"),
        ("lateness_max_ms", "number", "the latest"),
    ),
    _table(
        "samples",
        "Readings of nodes' hardware; once the run was thinned, all of a minute in one row.",
        _SECOND,
        _NODE,
        ("samples", "integer", "how many readings the row is of: 1 at full resolution"),
        *(
            (f"{name}_{which}", "number", f"{meaning}, {said}")
            for name, meaning in SAMPLED
            for which, said in (("min", "the lowest"), ("mean", "the mean"), ("max", "the highest"))
        ),
        *(
            (
                f"{name}_samples",
                "integer",
                f"readings with {meaning} since the one before; null where it is never known",
            )
            for name, meaning in CONDITIONS
        ),
    ),
    _table(
        "fitness",
        "How fit each worker was to measure, second by second.",
        _SECOND,
        _NODE,
        ("worker", "integer", "its number among the node's workers"),
        ("unfit", "text", "why it was not fit, with semicolons between; empty where it was fit"),
        ("lag_max_ms", "number", "the longest time that its event loop was late"),
        ("worker_cpu_percent", "number", "its CPU use, of one core"),
        ("requests", "integer", "finished by it"),
        ("users", "integer", "users that it ran at the end of the second"),
        ("userspace_timed", "integer", "of the requests, those ended by its own clock and not by its kernel's"),
        ("in_flight", "integer", "requests without an answer at the end of the second"),
        ("local_errors", "integer", "requests that failed for want of something on the node"),
        ("exceptions", "integer", "exceptions that users' code let through"),
    ),
    _table(
        "target",
        "What the target's process used, second by second, where it ran on the controller's machine.",
        _SECOND,
        ("cpu_percent", "number", "of one core"),
        ("memory_bytes", "integer", "resident memory"),
    ),
    _table(
        "events",
        "What happened, in order.",
        ("offset_s", "number", "seconds since the run began"),
        ("kind", "text", "one word, such as `lost`"),
        ("node", "text", "of which node; null where it is of the whole run"),
        ("detail", "text", "in words"),
    ),
    _table(
        "errors",
        "Errors of requests, the most frequent first.",
        *_ENDPOINT,
        ("error", "text", "what it said"),
        ("count", "integer", "how often, in the whole run"),
        ("first_s", "number", "when it came first, in seconds since the run began"),
    ),
    _table(
        "exceptions",
        "Exceptions that users' code let through, the most frequent first.",
        ("user_class", "text", "whose code"),
        ("type", "text", "of the exception"),
        ("message", "text", "what it said"),
        ("place", "text", "file and line"),
        ("line", "text", "the source line"),
        ("count", "integer", "how often, in the whole run"),
        ("first_s", "number", "when it came first, in seconds since the run began"),
    ),
)
"""In the order in which they are written."""
