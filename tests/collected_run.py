"""A controller's collector without wire or clock: what nodes say is handed to it, at a time that the test sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from master.run.collect import agents, collector
from master.run.collect.collector import Collector
from master.scenario import ExpectedNodes, LoadStage, Scenario, parse_threshold
from worker import __version__
from worker.telemetry.conditions import pack_flags
from worker.wire.messages import ClockReply, Facts, Hello, Reading, Ready, Sample
from worker.wire.work import UserShare

START_S = 1000
"""When a run begins, on the monotonic clock of controller and nodes."""
FACTS = Facts(
    simulated=True,
    model="Raspberry Pi 4 Model B",
    cpu_count=4,
    memory_bytes=1,
    os="o",
    python="p",
    piswarm=__version__,
)
HEALTHY = pack_flags(0)
"""Conditions of a Pi, all of which are known, and none active."""
USERS = 10
"""How many each worker is ordered to run."""


def set_clock(monkeypatch: pytest.MonkeyPatch, now_s: Callable[[], float]) -> None:
    """Let the collector take the time from `now_s`."""
    clock = SimpleNamespace(monotonic=now_s, time=now_s)
    monkeypatch.setattr(collector, "time", clock)
    monkeypatch.setattr(agents, "time", clock)


def collected_scenario(nodes: int, stages: Sequence[LoadStage], rules: Sequence[str]) -> Scenario:
    """A scenario for so many nodes, one of which is enough."""
    return Scenario(
        "collected",
        "embedded",
        {"ApiUser": UserShare(weight=1)},
        tuple(stages),
        nodes=ExpectedNodes(nodes, 1),
        thresholds=tuple(map(parse_threshold, rules)),
    )


def join(into: Collector, node: str, now_s: float, *, first: int = 1) -> None:
    """Present a node whose clock is the controller's, and its one worker, which has the reports from number `first` on."""
    worker = f"{node}_0"
    into.on_agent(node, Hello(FACTS))
    into.on_agent(node, ClockReply(now_s, now_s, now_s))
    into.on_worker_joined(node, worker, Ready("2.47.0", 1, first, "run"))
    into.on_order(worker, {"ApiUser": USERS})


def sample(number: int, due_s: float, sent_s: float, *, conditions: int = HEALTHY) -> Sample:
    """A sample with the conditions since the one before."""
    reading = Reading(
        cpu_percent=10.0, memory_percent=20.0, memory_used_bytes=1, load_1min=1.0, conditions_lately=conditions
    )
    return Sample(number, due_s, sent_s, reading)
