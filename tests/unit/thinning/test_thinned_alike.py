"""Whatever a run measured, its thinned run.db says of it what the whole one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import open_run
import pytest
from judged_run import run_facts, scenario
from report_example import FACTS
from thinned_run import thin

from master.judge.outcome import conclude
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.steady_part import SteadyPart
from master.run.collect.live_rules import LiveRules
from master.run.collect.resume import resume_fitness, resume_seconds
from master.scenario import ExpectedNodes, OpenStage, Scenario, Stage
from master.store import CONTROLLER, FitnessRow, SecondRow, Store
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram
from worker.telemetry.conditions import THROTTLED, UNDER_VOLTAGE, pack_flags
from worker.wire.messages import Reading

LENGTH_S, THINNED_S = 300, 240
STEADY = [(17.0, 95.0), (101.0, 187.0), (190.0, 290.0)]
"""None of their borders is one of a minute."""
NODES = ("pi1", "pi2", "pi3")
ENDPOINTS = (("GET", "/a"), ("GET", "/b"), ("POST", "/c"), ("GET", "/rare"))
RULES = (
    "p95 < 40 ms",
    "p99 < 40 ms over 3s",
    "max < 900 ms over 7s",
    "GET /a p90 < 60 ms over 10s",
    "GET /rare p50 < 1 s over 1m",
    "POST /c errors < 20 % over 2s",
    "errors < 10 %",
    "rate > 20/s over 5s",
    "rate_per_user > 0.1/s",
    "rate_per_user > 0.1/s over 4s",
    "exceptions < 3 over 5s",
    "exceptions = 0",
    "GET /never p95 < 1 s over 5s",
)
OPEN_RULES = (
    *RULES,
    "missed < 1 %",
    "missed < 5 % over 6s",
    "arrival_rate > 1/s over 2s",
    "service p95 < 20 ms over 3s",
)


class Measured:
    """Second after second of a run, made up from a seed, with all that a run can have."""

    def __init__(self, seed: int, *, open_model: bool) -> None:
        self._random = Random(seed)
        self._open = open_model

    def rows(self) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
        """Calls of a Store: the method, and what it is called with."""
        random, steady = self._random, SteadyPart(STEADY)
        for name in (*NODES, CONTROLLER):
            yield "put_node", (name, msgspec.structs.replace(FACTS, simulated=False, model="Raspberry Pi 4")), {}
        for second in range(LENGTH_S):
            if random.random() < 0.97:
                stage = "1 hold" if second < 95 else "2 ramp" if second < 101 else "2 hold" if second < 290 else "2 end"
                row = SecondRow(second, stage, second in steady, 30, random.choice((2, 3)), 0, 0)
                yield "put_second", (row._replace(offered=random.randrange(30, 40)) if self._open else row,), {}
            if random.random() < 0.95:
                yield from self._of_workers(second)
            if random.random() < 0.9:
                yield from self._requests(second)
            samples = [(node, second, self._reading()) for node in (*NODES, CONTROLLER) if random.random() < 0.9]
            yield "put_samples", (samples,), {}

    def _of_workers(self, second: int) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
        random, rows = self._random, []
        for node in NODES:
            for worker in range(2):
                if random.random() < 0.05:
                    continue
                lag = self._histogram(20, 1.0)
                unfit = (
                    ""
                    if random.random() < 0.8
                    else random.choice(("throttled", f"loop lag {lag.max_ms:.3g} ms above 50 ms"))
                )
                users = None if random.random() < 0.02 else random.randrange(8)
                timed = random.choice((0, 0, 5))
                counts = (random.randrange(3), random.random() < 0.01, random.random() < 0.02)
                cpu = None if random.random() < 0.05 else random.uniform(0, 100)
                rows.append(
                    FitnessRow(
                        node,
                        second,
                        lag.max_ms,
                        cpu,
                        random.randrange(20),
                        unfit,
                        lag.encode(),
                        users,
                        worker,
                        timed,
                        *map(int, counts),
                    )
                )
        yield "put_fitness", (rows,), {}

    def _requests(self, second: int) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
        random = self._random
        stalled = random.random() < 0.03
        for endpoint in ENDPOINTS:
            if endpoint[1] == "/rare" and random.random() < 0.95:
                continue
            for fit in (True, True, False)[: random.choice((1, 1, 2, 3))]:
                median_ms = 700.0 if stalled else 12.0
                answers, failed = random.randrange(1, 12), random.choice((0, 0, 0, 1))
                service = self._histogram(answers, median_ms / 2) if self._open else None
                tally = EndpointStats(
                    answers + failed,
                    failed,
                    answers * 100,
                    self._histogram(answers, median_ms),
                    random.choice((0, 0, answers)),
                    failures=self._histogram(failed, 3.0) if failed else None,
                    service=service,
                )
                yield "add_requests", (second, endpoint, tally), {"fit": fit}
            if random.random() < 0.05:
                yield "add_waiting", (second, endpoint, 2, self._histogram(2, 3000.0)), {}
        if random.random() < 0.02:
            yield "add_waiting", (second, ("GET", "/never"), 1, self._histogram(1, 5000.0)), {}
        if self._open:
            for fit in (True, False):
                lateness = self._histogram(15, 0.3)
                made = ArrivalTally(
                    15, random.choice((0, 0, 3)), random.choice((0, 1)), random.choice((0, 0, 1)), lateness
                )
                yield "add_arrivals", (second, random.choice((open_run.CLASS, "Other")), made), {"fit": fit}

    def _histogram(self, values: int, median_ms: float) -> Histogram:
        found = Histogram()
        for _ in range(values):
            found.add(median_ms * self._random.lognormvariate(0.0, 0.8))
        return found

    def _reading(self) -> Reading:
        random = self._random
        flags = pack_flags(random.choice((0, 0, 0, THROTTLED, UNDER_VOLTAGE)), random.choice((15, 15, 15, 0)))
        return Reading(
            cpu_percent=random.uniform(0, 100),
            memory_percent=random.uniform(20, 90),
            memory_used_bytes=random.randrange(1 << 33),
            load_1min=random.random(),
            temperature_c=random.choice((None, random.uniform(40, 90))),
            frequency_hz=random.choice((None, 1.5e9, 1.8e9)),
            conditions=flags,
            conditions_lately=flags,
            conditions_since_start=flags,
        )


def planned(*, open_model: bool) -> Scenario:
    stage = OpenStage(35.0, 30, hold_s=100.0) if open_model else Stage(users=30, spawn_rate=30.0, hold_s=100.0)
    made = scenario(*(OPEN_RULES if open_model else RULES))
    return replace(made, load=(stage, stage), nodes=ExpectedNodes(3, 2))


def resumed_fitness(store: Store, made: Scenario) -> tuple[FitnessLog, LiveRules]:
    """What a controller knows that takes the run over at its end."""
    steady, rules = SteadyPart(STEADY), LiveRules(made.thresholds)
    fitness, samples = resume_fitness(store, steady)
    resume_seconds(store, steady, fitness, rules, LENGTH_S)
    for node in NODES:
        fitness.expect_samples(node, len(steady.seconds()), samples[node])
    fitness.expect_controller(len(steady.seconds()), samples[CONTROLLER])
    return fitness, rules


def told(store: Store, made: Scenario) -> dict[str, Any]:
    """All that result.json says of the run, and how its thresholds stand for who takes it over."""
    fitness, rules = resumed_fitness(store, made)
    facts = run_facts(steady_seconds=SteadyPart(STEADY).seconds(), duration_s=float(LENGTH_S))
    result = msgspec.to_builtins(conclude(made, store, fitness, facts))
    result.pop("thinned", None)
    return {"result": result, "live": [msgspec.to_builtins(row) for row in rules.outcomes()]}


def read_back(store: Store) -> dict[str, Any]:
    """What the report and others read, at the resolution that is kept."""
    return {
        "workers": list(store.workers_by_second()),
        "lag": store.lag_by_second(),
        "unfit": [row._replace(lag=b"", worker_cpu_percent=None) for row in store.unfit()],
        "errors": list(store.local_errors()),
        "users": [sorted(store.fewest_users(start, end)) for start, end in ((0, 300), (17, 95), (59, 61), (130, 131))],
        "peaks": sorted(store.sample_peaks(["temperature_c", "cpu_percent"], 0, LENGTH_S, 300)),
        "extent": store.extent(),
        "total": sum(row.tally.total for row in store.requests()),
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("open_model", [False, True])
def test_a_thinned_run_is_judged_and_read_as_the_whole_one(tmp_path: Path, seed: int, *, open_model: bool) -> None:
    """Totals, thresholds with and without windows, validity checks, excluded nodes and arrivals are the same to the last figure."""
    made = planned(open_model=open_model)
    with ExitStack() as stack:
        whole, thinned = (Store(tmp_path / name, create=True) for name in ("whole.db", "thinned.db"))
        stack.callback(whole.close)
        stack.callback(thinned.close)
        for store in (whole, thinned):
            for method, arguments, named in Measured(seed, open_model=open_model).rows():
                getattr(store, method)(*arguments, **named)
        thin(thinned, made.thresholds, STEADY, THINNED_S)
        assert {row.span_s for row in thinned.requests()} > {1}
        assert told(thinned, made) == _close(told(whole, made))
        assert read_back(thinned) == read_back(whole)


def _close(value: Any) -> Any:
    """Sums of floating-point numbers may differ in their last digit by the order in which they were added."""
    if isinstance(value, float):
        return pytest.approx(value, rel=1e-9)
    if isinstance(value, dict):
        return {key: _close(each) for key, each in value.items()}
    return [_close(each) for each in value] if isinstance(value, list) else value
