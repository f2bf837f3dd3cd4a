"""The scenario that the options of a command line amount to, where there is no scenario file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from master.errors import InputError, list_faults
from master.scenario.locust_keys import format_share
from master.scenario.units import format_duration, format_rate
from master.scenario.windows import DEFAULT_SAMPLE_PERIOD_S, shortest_hold_s
from master.yaml_file.document import Document
from worker.wire.work import ArgumentValue, UserShare

DEFAULT_RUN_TIME_S = 60.0
"""Where no run time is given, which for Locust is no end at all."""
_NAMES = {
    "locustfile": "-f",
    "users": "user classes",
    "target": "--host",
    "nodes": "--local",
    "tags": "--tags",
    "exclude_tags": "--exclude-tags",
    "arguments": "the locustfile's own options",
    "stop_timeout": "--stop-timeout",
}
"""What says on a command line what a key says in a file."""
_CLOSED_LOAD = ("--users", "--spawn-rate", "--run-time")
_OPEN_LOAD = ("--rate", "--max-users", "--run-time")
_HOLD_S = shortest_hold_s(DEFAULT_SAMPLE_PERIOD_S)
"""What is left of the run time after the ramp has to be as long."""
_NO_NAME = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a command line, with their defaults where they were not given."""

    locustfiles: Sequence[Path]
    users: int = 1
    spawn_rate: float = 1.0
    run_time_s: float | None = None
    """None: DEFAULT_RUN_TIME_S, or when the shape ends."""
    follows_shape: bool = False
    """A LoadTestShape says how many users run, for `run_time_s` at most, where that is given."""
    rate_per_s: float | None = None
    """Arrivals per second of the open model, in which at most `users` are busy."""
    target: str | None = None
    tags: Sequence[str] | None = None
    exclude_tags: Sequence[str] | None = None
    arguments: Mapping[str, ArgumentValue] = field(default_factory=dict)
    user_classes: Sequence[str] = ()
    """None: all classes of the locustfiles."""
    stop_timeout_s: float | None = None
    nodes: int = 1
    places: Mapping[str, str] = field(default_factory=dict)
    """Where options were given that are not on the command line, by their long name: a variable, or a file and line."""

    def named(self, *options: str) -> str:
        """Options as a fault names them: each with its place, where that is not the command line."""
        return ", ".join(f"{name} ({self.places[name]})" if name in self.places else name for name in options)


@dataclass
class OptionsDocument(Document):
    """A document that no file says: its faults name options."""

    options: RunOptions = field(default_factory=lambda: RunOptions(locustfiles=()))

    def raise_faults(self) -> None:
        """As for a document."""
        rows = list(dict.fromkeys(self._row(each.place, str(each)) for each in self.faults))
        if len(rows) == 1:
            raise InputError(rows[0], hint="Nothing was started.")
        if rows:
            raise InputError(f"{len(rows)} faults\n{list_faults(rows, len(rows))}", hint="Nothing was started.")

    def _row(self, place: tuple[str | int, ...], text: str) -> str:
        if not place:
            return text
        _, _, what = text.partition(": ")
        inside = f" {place[1]}" if place[0] in ("users", "arguments") and len(place) > 1 else ""
        load = _CLOSED_LOAD if self.options.rate_per_s is None else _OPEN_LOAD
        names = load if place[0] == "load" else (_NAMES.get(str(place[0]), str(place[0])),)
        return f"{self.options.named(*names)}{inside}: {what}"


def document_of(options: RunOptions, shares: Mapping[str, UserShare]) -> Document:
    """The content of the scenario file that says what `options` do; `shares` are the classes' own. Raises InputError."""
    content: dict[str, object] = {
        "name": _NO_NAME.sub("-", options.locustfiles[0].stem.lower()).strip("-._")[:100] or "locustfile",
        "locustfile": [str(file) for file in options.locustfiles],
        "load": _shape(options) if options.follows_shape else [_stage(options)],
        "nodes": {"expect": options.nodes},
    }
    if options.user_classes:
        content["users"] = {name: format_share(shares[name]) if name in shares else 1 for name in options.user_classes}
    if options.stop_timeout_s is not None:
        content["stop_timeout"] = format_duration(options.stop_timeout_s)
    further = {"tags": options.tags, "exclude_tags": options.exclude_tags}
    content |= {key: list(value) for key, value in further.items() if value}
    if options.arguments:
        content["arguments"] = dict(options.arguments)
    if options.target is not None:
        content["target"] = options.target
    return OptionsDocument(Path.cwd() / options.locustfiles[0].name, content, {(): 1}, options=options)


def _shape(options: RunOptions) -> object:
    if options.run_time_s is None:
        return "shape"
    return {"shape": "any", "run_time": format_duration(options.run_time_s)}


def _stage(options: RunOptions) -> dict[str, object]:
    run_time_s = DEFAULT_RUN_TIME_S if options.run_time_s is None else options.run_time_s
    if options.rate_per_s is not None:
        hold = format_duration(run_time_s)
        return {"rate": format_rate(options.rate_per_s), "hold": hold, "max_users": options.users}
    ramp_s = options.users / options.spawn_rate
    if round(run_time_s - ramp_s - _HOLD_S, 6) < 0:
        raise InputError(_too_short(options, run_time_s, ramp_s), hint=_remedy(options, run_time_s, ramp_s))
    return {
        "users": options.users,
        "spawn_rate": options.spawn_rate,
        "hold": format_duration(run_time_s - ramp_s),
    }


def _too_short(options: RunOptions, run_time_s: float, ramp_s: float) -> str:
    """Why such a run might have nothing to judge."""
    run_time, spawn_rate = options.named("--run-time"), options.named("--spawn-rate")
    users = "the one user is" if options.users == 1 else f"all {options.users} users are"
    left_s = max(0.0, run_time_s - ramp_s)
    return (
        f"{run_time} {format_duration(run_time_s)}: too short to be judged: at {spawn_rate} {options.spawn_rate:g} "
        f"{users} there after {format_duration(round(ramp_s, 3))}, which leaves {format_duration(round(left_s, 3))} "
        f"of the {format_duration(round(_HOLD_S, 3))} that are needed"
    )


def _remedy(options: RunOptions, run_time_s: float, ramp_s: float) -> str:
    longer = f"--run-time {format_duration(math.ceil(ramp_s + _HOLD_S))}"
    if options.users == 1 or run_time_s - _HOLD_S < 0.5:
        return f"Say {longer}."
    return f"Say {longer}, or --spawn-rate {math.ceil(options.users / (run_time_s - _HOLD_S))}."
