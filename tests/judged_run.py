"""A run that has ended and is to be judged: run.db, the log of the generator's fitness, and what the run knows of itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace
from report_example import FACTS, reading, tally

from master.judge.run_facts import RunFacts
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.unfit import NodeCondition
from master.scenario import ExpectedNodes, Scenario, Stage, parse_threshold
from master.store import FitnessRow, SecondRow, Store
from worker.load.histogram import EndpointStats, Histogram
from worker.telemetry.conditions import pack_flags
from worker.wire.work import UserShare

SECONDS = 20
STEADY = range(5, SECONDS)
NODE = "pi1"


def scenario(*rules: str) -> Scenario:
    """One node that is to hold 10 users."""
    return Scenario(
        "judged",
        "http://127.0.0.1:9",
        {"ApiUser": UserShare(weight=1)},
        (Stage(users=10, spawn_rate=10, hold_s=60),),
        nodes=ExpectedNodes(1, 1),
        thresholds=tuple(parse_threshold(rule) for rule in rules),
    )


def run_facts(**changed: object) -> RunFacts:
    """What a run knows of itself that went by plan."""
    known: dict[str, object] = {
        "run_id": "judged-1",
        "started_at": datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
        "duration_s": float(SECONDS),
        "target": "http://127.0.0.1:9",
        "steady_seconds": list(STEADY),
        "users_peak": 10,
        "nodes_peak": 1,
        "nodes_lost": 0,
        "nodes_quarantined": 0,
        "ready_s": 1.0,
        "simulated": False,
        "slowed": False,
        "gaps": [],
        "clocks_off": {},
        "dropped_messages": {},
        "unreported_workers": [],
        "locust_version": "2.47.0",
    }
    return RunFacts(**(known | changed))  # type: ignore[arg-type]


def fit_log(requests: int = 100, userspace_timed: int = 0, lag_ms: float = 1.0) -> FitnessLog:
    """A generator that was fit in every steady second, of whose requests `userspace_timed` a second ended by its own clock."""
    log = FitnessLog()
    lag = Histogram()
    for _ in range(20):
        lag.add(lag_ms)
    for _ in STEADY:
        log.add_lag(NODE, lag, fit=True, userspace_timed=userspace_timed)
        log.add_worker_cpu(NODE, 20.0)
        log.add_node(NODE, NodeCondition(20.0, 30.0, 50.0, pack_flags(0), is_pi=True))
        log.add_clock_error(NODE, 1.0)
        log.add_controller(10.0)
        log.note_ready(1)
    log.expect_samples(NODE, len(STEADY), len(STEADY))
    log.add_requests(requests, 0)
    return log


def fill(
    store: Store, answers: Sequence[EndpointStats] | None = None, endpoint: tuple[str, str] = ("GET", "/x")
) -> None:
    """The tables of that run: `answers` come in each of its seconds, by default three."""
    store.put_node(NODE, replace(FACTS, simulated=False))
    for second in range(SECONDS):
        steady = second in STEADY
        store.put_second(SecondRow(second, "1 hold" if steady else "1 ramp", steady, 10, 1, 0, 0))
        for one in [tally(1.0, 2.0, 3.0)] if answers is None else answers:
            store.add_requests(second, endpoint, one, fit=True)
        store.put_samples([(NODE, second, reading())])
        store.put_fitness([FitnessRow(NODE, second, 1.0, 20.0, 3, "", users=10)])
    store.commit()
