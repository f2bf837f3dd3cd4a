"""The truth of a run in the open model: each arrival's due time by the schedule alone, and the target's own count."""

from __future__ import annotations

import bisect
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from result_reference import read_result
from truth_figures import Asked, Figures, compare_requests, percentile
from truth_target import Served

from master.load.arrival_plan import plan_of
from master.scenario import load_scenario
from worker.load.arrivals.schedule import ArrivalSchedule


@dataclass(frozen=True)
class OpenFigures:
    """What a run tells of its arrivals, beside the schedule and the target's count."""

    figures: Figures | None
    """Latencies beside the truth; None where arrivals were not started, so that it is not known which ones the target saw."""
    load: dict[str, Any]
    """`load` of result.json."""
    verdict: str
    reason: str
    broken: Sequence[str]
    """The rules and checks that broke."""
    skew_ms: float
    """How far the nodes' plans were seen to be apart."""
    late_p99_ms: float
    """How late 99 % of the requests arrived at most, from their due times."""
    due: int
    """The integral of the rate: how many arrivals the schedule has."""
    served: int
    """How many requests the target had."""
    rate_at_the_end: float
    """Requests a second that the target had in the last seconds of the load, as a share of the schedule's."""

    @property
    def not_started(self) -> int:
        """All arrivals that were not started, by whosever fault."""
        return self.load["missed"]["total"]

    @property
    def sums_are_exact(self) -> bool:
        """Whether offered is the schedule's integral, and what was started and what was not add up to it."""
        return self.load["offered"] == self.due and self.load["started"] + self.not_started == self.due


RANKS = 2
"""Latencies of arrivals that meet a stall are as far apart as the arrivals are, such as 10 ms of 900."""
END_S = 4.0
"""The rate at the end is of so many seconds before the last arrival."""


def schedule_of(scenario: Path) -> ArrivalSchedule:
    """Return the schedule of a scenario in a file, whose user classes are all known."""
    loaded = load_scenario(scenario, json.loads(scenario.read_text(encoding="utf-8"))["users"])
    return ArrivalSchedule(plan_of(loaded.open_stages, loaded.seed))


def requests_of(served: Sequence[Served]) -> list[Asked]:
    """Return the requests in the order of arrival; an answer has come when it was given."""
    found = []
    for each in sorted(served, key=lambda each: each.arrived_s):
        asker, number, _ = each.mark.split(",")
        found.append(Asked(each.path, asker.partition("_")[0], asker, int(number), each, each.ended_s))
    return found


def lateness_ms(requests: Sequence[Asked], due_s: Sequence[float], told_p50_ms: float) -> list[float]:
    """Return how late each request had arrived, by the target's record and the schedule alone.

    The n-th request to arrive is the n-th arrival of the schedule. When plan time 0 is, is not known to the target: it is taken for where the
    median request was as late as it is told to be.
    """
    assert len(requests) == len(due_s)
    beyond_s = [each.served.arrived_s - due for each, due in zip(requests, due_s, strict=True)]
    start_s = median(beyond_s) - told_p50_ms / 1000
    return [1000 * (each - start_s) for each in beyond_s]


def skew_between_nodes_ms(requests: Sequence[Asked], due_s: Sequence[float]) -> float:
    """Return by how much the node whose median request is the latest is behind the one whose is the earliest."""
    late: defaultdict[str, list[float]] = defaultdict(list)
    for each, due in zip(requests, due_s, strict=True):
        late[each.node].append(each.served.arrived_s - due)
    medians_s = [median(each) for each in late.values()]
    return 1000 * (max(medians_s) - min(medians_s))


def compare_open(directory: Path, scenario: Path, served: Sequence[Served]) -> OpenFigures:
    """Compare the result of a run in the open model with the target's record and the schedule."""
    result = read_result(directory / "result.json")
    schedule, requests = schedule_of(scenario), requests_of(served)
    due_s = [schedule.due_s(number) for number in range(schedule.total)]
    figures, skew_ms, late_p99_ms = None, 0.0, 0.0
    if len(requests) == schedule.total:
        # A user was free for each arrival, so that its latency is what the target took, and how late it was sent is told apart.
        figures = compare_requests(directory, requests, {id(each): each.service_ms for each in requests}, ranks=RANKS)
        skew_ms = skew_between_nodes_ms(requests, due_s)
        late_p99_ms = percentile(lateness_ms(requests, due_s, result["load"]["lateness_ms"]["p50"]), 99)
    return OpenFigures(
        figures=figures,
        load=result["load"],
        verdict=result["verdict"],
        reason=result["reason"],
        broken=[each["rule"] for each in result["thresholds"] if each["ok"] is False]
        + [each["check"] for each in result["validity"] if each["ok"] is False],
        skew_ms=skew_ms,
        late_p99_ms=late_p99_ms,
        due=schedule.total,
        served=len(requests),
        rate_at_the_end=rate_at_the_end([each.served.arrived_s for each in requests], due_s),
    )


def rate_at_the_end(arrived_s: Sequence[float], due_s: Sequence[float]) -> float:
    """Return how many requests arrived in the last END_S of the load for each arrival that was due in them."""
    if not arrived_s:
        return 0.0
    arrived = len(arrived_s) - bisect.bisect_left(arrived_s, arrived_s[-1] - END_S)
    return arrived / (len(due_s) - bisect.bisect_left(due_s, due_s[-1] - END_S))
