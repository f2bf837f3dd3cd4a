"""The shape of a scenario file: which keys, of which kind, in which range.

Keys are named as in the file. Pydantic checks; `error_messages.py` turns its findings into sentences for the operator.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
)

from master.scenario.collector_url import check_collector_url
from master.scenario.locust_keys import Arguments, Share, Tags, Variables
from master.scenario.model import DEFAULT_FLEET, EMBEDDED
from master.scenario.rules import Threshold, parse_threshold
from master.scenario.schema.base import (
    Duration,
    Excess,
    Latency,
    Percent,
    ServiceName,
    Shape,
    Temperature,
    duration,
    max_length,
    temperature,
)
from master.scenario.schema.data import MAX_TABLES, DataShape, TableName
from master.scenario.schema.hooks import MAX_HOOKS, HookShape
from master.scenario.schema.soak import SoakShape
from master.scenario.schema.stages import AnyStage, OpenStageShape
from master.scenario.suggest import did_you_mean
from master.scenario.units import (
    parse_percent,
)
from master.scenario.windows import DEFAULT_SAMPLE_PERIOD_S
from worker.simulation.boards import BOARDS, KINDS
from worker.wire.work import UserShare

MAX_NODES = 100_000
DATABASE_PORTS = {"postgresql": 5432, "redis": 6379, "mongodb": 27017}
"""Schemes of databases that a target may be, with their ports. The account's name may be in the URL, its password may not."""
SQLITE_SCHEME = "sqlite:"
_MAX_WEIGHT = 1e9
MIN_STOP_S = 1.0
MAX_STOP_S = 3600.0
_MAX_ENTRIES = 1000  # user classes, stages, rules
_MAX_REQUIRED = 100  # services
_MAX_COUNT = 2**53  # from there a float, as JavaScript has it, can't tell a number from the next
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True)
class UnfitUsers:
    """Names of user classes that can't make the load: those that have no task, and those that run by a loop of their own."""

    without_tasks: Collection[str] = ()
    with_own_loop: Collection[str] = ()
    """They never wait, so that no arrival of the open model could start them."""


@dataclass(frozen=True)
class ScenarioContext:
    """What a scenario is checked against: its folder, the user classes there are (None: not known yet), and its model."""

    folder: Path
    known_users: Collection[str] | None
    unfit_users: UnfitUsers
    open_model: bool = False


def check_name(name: str) -> str:
    """`name` if it can name a run; else ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name: use a to z, 0 to 9 and . _ - (at most 100, starting with a letter or digit)"
        )
    return name


def check_target(target: str) -> str:
    """`target` if it is "embedded", a plain base URL, or the URL of a database; else ValueError. Never repeats credentials."""
    if target in {EMBEDDED, SQLITE_SCHEME}:
        return target
    if target.startswith(SQLITE_SCHEME):
        if not re.fullmatch(r"sqlite:///[!-~]+", target):
            raise ValueError(
                f"{target!r} is no SQLite file: write sqlite:///absolute/path, or sqlite: for one of each process"
            )
        return target
    if not re.match(r"https?://", target) and not target.startswith(tuple(f"{each}://" for each in DATABASE_PORTS)):
        shown = "" if "@" in target else f"{target!r} "
        raise ValueError(
            f"{shown}is neither 'embedded' nor a URL that starts with http:// or https://"
            f" (for users of databases: {', '.join(DATABASE_PORTS)} or sqlite)"
        )
    try:
        url = urlsplit(target)
        port = url.port
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from None
    if url.password is not None or ("@" in url.netloc and url.scheme not in DATABASE_PORTS):
        raise ValueError("holds credentials, which would end up in every report: let the user classes log in")
    if not url.hostname or port == 0 or not re.fullmatch(r"[!-~]+", target) or "\\" in target:
        raise ValueError(f"{target!r} is no URL: it needs a host, e.g. http://127.0.0.1:8080")
    if "?" in target or "#" in target:
        raise ValueError(
            f"{target!r} has a query or fragment: a target is a base that the requests' paths are added to"
        )
    return target


def _parse_sample(value: object) -> float:
    percent = parse_percent(value)
    if percent == 0:
        raise ValueError("no request would be traced: leave 'tracing' out")
    return percent


def _surroundings(info: ValidationInfo) -> ScenarioContext:
    assert isinstance(info.context, ScenarioContext)
    return info.context


def _known_user(name: str, info: ValidationInfo) -> str:
    context = _surroundings(info)
    known = context.known_users
    if name in context.unfit_users.without_tasks:
        raise ValueError("has no task, so its users would make no request: give the class one (@task), or leave it out")
    if context.open_model and name in context.unfit_users.with_own_loop:
        raise ValueError(
            "has a run() of its own, so its users would not wait for arrivals: give the class tasks, or load users in place of a rate"
        )
    if known is None or name in known:
        return name
    listed = f"known: {', '.join(sorted(known))}" if known else "no user classes are known"
    raise ValueError(f"unknown user class{did_you_mean(name, known)} ({listed})")


def _known_kind(name: str) -> str:
    if name not in KINDS:
        suggestion = did_you_mean(f"{name}-bare" if name in BOARDS else name, KINDS)
        raise ValueError(f"unknown kind of node{suggestion} (known: {', '.join(KINDS)})")
    return name


Kind = Annotated[str, AfterValidator(_known_kind)]
Weight = Annotated[float, Field(gt=0, le=_MAX_WEIGHT)]


class NodesShape(Shape):
    """The `nodes` section."""

    expect: Annotated[int, Field(ge=1, le=MAX_NODES)] = 1
    min: Annotated[int | None, Field(ge=1, le=MAX_NODES)] = None
    wait: Duration = 60.0

    @field_validator("min")
    @classmethod
    def _within_expect(cls, min_nodes: int | None, info: ValidationInfo) -> int | None:
        expect = info.data.get("expect")  # absent when it is wrong itself
        if min_nodes is not None and expect is not None and min_nodes > expect:
            raise ValueError(f"{min_nodes} is more than the {expect} expected")
        return min_nodes


class RackShape(Shape):
    """The `rack` section: what simulated nodes stand in."""

    ambient: Annotated[float, PlainValidator(temperature(-40, 70))] = 24.0
    spread: Annotated[float, PlainValidator(temperature(0, 40))] = 4.0
    weak_supply: Percent = 0.0
    request_cpu: Annotated[float, PlainValidator(duration(0.00001, 10))] | None = None
    thermal_speed: Annotated[float, Field(ge=1, le=100)] = 1.0


class ValidityShape(Shape):
    """The `validity` section; missing keys keep the default of `ValidityLimits`."""

    loop_lag_p99: Latency | None = None
    worker_cpu: Percent | None = None
    node_cpu: Percent | None = None
    node_memory: Percent | None = None
    node_temperature: Temperature | None = None
    throttling: Percent | None = None
    throttling_may_be_unknown: bool | None = None
    under_voltage: Percent | None = None
    controller_cpu: Percent | None = None
    clock_error: Latency | None = None
    latency_error: Excess | None = None
    missing_samples: Percent | None = None
    excluded_share: Percent | None = None
    users: Percent | None = None
    local_errors: Annotated[int, Field(ge=0, le=_MAX_COUNT)] | None = None
    arrivals: Percent | None = None


class TracingShape(Shape):
    """The `tracing` section."""

    endpoint: Annotated[str, AfterValidator(check_collector_url)]
    sample: Annotated[float, PlainValidator(_parse_sample)] = 1.0


def _plain_text(value: str) -> str:
    """Lines of printable characters. YAML folds others (a next-line character, say) into spaces, so they'd not be kept."""
    if not value.replace("\n", "").isprintable():
        raise ValueError("has characters that can't be printed: remove them")
    return value


class ScenarioShape(Shape):
    """The whole file."""

    name: Annotated[str, AfterValidator(check_name)] | None = None
    description: Annotated[str, AfterValidator(_plain_text)] = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    target: Annotated[str, AfterValidator(check_target)] | None = None
    project: object = None  # both are looked at together (project_keys.py)
    locustfile: object = None
    users: Annotated[dict[Annotated[str, AfterValidator(_known_user)], Share], max_length(_MAX_ENTRIES)] | None = None
    arguments: Arguments = Field(default_factory=dict)
    tags: Tags | None = None
    exclude_tags: Tags | None = None
    environment: Variables = Field(default_factory=list)
    load: Annotated[list[AnyStage], max_length(_MAX_ENTRIES)]
    nodes: NodesShape = NodesShape()
    fleet: Annotated[dict[Kind, Weight], max_length(_MAX_ENTRIES)] = Field(default_factory=lambda: dict(DEFAULT_FLEET))
    rack: RackShape = RackShape()
    thresholds: Annotated[list[Annotated[Threshold, PlainValidator(parse_threshold)]], max_length(_MAX_ENTRIES)] = (
        Field(default_factory=list)
    )
    validity: ValidityShape = ValidityShape()
    sample_period: Annotated[float, PlainValidator(duration(0.2, 60))] = DEFAULT_SAMPLE_PERIOD_S
    stop_timeout: Annotated[float, PlainValidator(duration(MIN_STOP_S, MAX_STOP_S))] = 10.0
    tracing: TracingShape | None = None
    data: Annotated[dict[TableName, DataShape], max_length(MAX_TABLES)] = Field(default_factory=dict)
    hooks: Annotated[list[HookShape], max_length(MAX_HOOKS)] = Field(default_factory=list)
    soak: SoakShape | None = None
    require: Annotated[list[ServiceName], max_length(_MAX_REQUIRED)] = Field(default_factory=list)

    @field_validator("require")
    @classmethod
    def _each_once(cls, require: list[str]) -> list[str]:
        twice = next((name for name in require if require.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"names {twice!r} twice")
        return require

    @field_validator("users")
    @classmethod
    def _some_users(cls, users: dict[str, UserShare] | None) -> dict[str, UserShare] | None:
        if users is not None and not users:
            raise ValueError("names no user class: give at least one, e.g. {ApiUser: 1}")
        return users

    @field_validator("fleet")
    @classmethod
    def _some_fleet(cls, fleet: dict[str, float]) -> dict[str, float]:
        if not fleet:
            raise ValueError("names no kind of node: give at least one, e.g. {pi4-bare: 1}")
        return fleet

    @field_validator("load")
    @classmethod
    def _some_load(cls, load: list[AnyStage]) -> list[AnyStage]:
        if any(shape.hold and shape.stage().has_load for shape in load):
            return load
        wanted = "a rate above 0/s" if any(isinstance(shape, OpenStageShape) for shape in load) else "users above 0"
        raise ValueError(f"nothing to measure: at least one stage needs {wanted} and a hold above 0s")
