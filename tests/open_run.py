"""A run of the open model that has ended and is to be judged: 100 arrivals a second, of which each makes one request."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from judged_run import NODE, SECONDS, STEADY
from judged_run import scenario as closed_scenario
from report_example import FACTS, reading

from master.scenario import OpenStage, Scenario
from master.store import FitnessRow, SecondRow, Store, TargetRow
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram

RATE = 100
MAX_USERS = 10
CLASS = "ApiUser"


def scenario(*rules: str) -> Scenario:
    """One node that is to start RATE arrivals a second on at most MAX_USERS users."""
    return replace(closed_scenario(*rules), load=(OpenStage(float(RATE), MAX_USERS, hold_s=60.0),))


def of(*values_ms: float, times: int = 1) -> Histogram:
    """A histogram of these values, each so many times."""
    histogram = Histogram()
    for value_ms in values_ms:
        for _ in range(times):
            histogram.add(value_ms)
    return histogram


def arrivals(
    started: int = RATE, *, missed: int = 0, late: int = 0, given_up: int = 0, lateness_ms: float = 0.2
) -> ArrivalTally:
    """Arrivals of one second, each of those started so much later than due."""
    return ArrivalTally(started, missed, late, given_up, of(lateness_ms, times=started))


def fill(
    store: Store,
    tally: ArrivalTally | None = None,
    *,
    latency_ms: float = 30.0,
    service_ms: float = 20.0,
    offered: int | None = RATE,
    fit: bool = True,
) -> None:
    """The tables of that run, in each of whose seconds workers report `tally`, by default that all arrivals started."""
    store.put_node(NODE, msgspec.structs.replace(FACTS, simulated=False))
    made = arrivals() if tally is None else tally
    for second in range(SECONDS):
        steady = second in STEADY
        store.put_second(SecondRow(second, "1 hold" if steady else "1 ramp", steady, MAX_USERS, 1, 0, 0, offered))
        requests = EndpointStats(
            made.started,
            histogram=of(latency_ms, times=made.started),
            service=of(service_ms, times=made.started),
        )
        store.add_requests(second, ("GET", "/x"), requests, fit=fit)
        store.add_arrivals(second, CLASS, made, fit=fit)
        store.put_samples([(NODE, second, reading())])
        store.put_target(TargetRow(second, 40.0 + second, (100 + second) << 20))
        store.put_fitness(
            [FitnessRow(NODE, second, 1.0, 20.0, made.started, "" if fit else "throttled", users=MAX_USERS)]
        )
    store.commit()
