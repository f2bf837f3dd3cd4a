"""The truth of a run, from what the target noted, beside what the run reports in result.json."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from result_reference import read_result
from truth_target import Served

from master.fleet.registry import MAX_BEYOND_S
from master.load.schedule import whole_seconds
from master.store import CHECKPOINT_KEY, Store

RELATIVE, ABSOLUTE_MS = 0.01, 0.2
"""A figure is true when it is within 1 % + 0.2 ms of the truth; buckets alone take 0.99 %."""
JUDGED = ("p50", "p90", "p95", "p99")
PERCENTS = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
LATE_S = 0.005
MAX_LATE = 0.01
"""The target was fit when no more than this share of its requests were read or answered later than LATE_S. That lateness
is in the truth itself; what is not is what it can't see, between its clock and its answer's way into the kernel."""
HANGS_MS = 1000.0
"""A request that got no answer hung if it was given up after so long or longer; users are stopped in the middle of others."""
RATIO_COUNTED = 0.98
"""At least this share of what the run counted must be found in the target's record."""


class Asked(NamedTuple):
    """One request as the target saw it, with when its user had the answer or gave it up."""

    path: str
    node: str
    asker: str
    number: int
    served: Served
    ended_s: float

    @property
    def service_ms(self) -> float:
        """The time from the last byte's arrival to the answer's first byte, or without an answer until it was given up."""
        return 1000 * (self.served.ended_s - self.served.arrived_s)


@dataclass(frozen=True)
class Compared:
    """One figure in ms: the truth and what was measured."""

    name: str
    truth: float
    measured: float | None
    between: tuple[float, float] | None = None
    """The truths a few ranks below and above, where latencies lie so far apart that one request more or less makes a difference."""

    @property
    def off(self) -> float:
        """By how much of the truth the figure is wrong, beyond the absolute part of the bound."""
        return math.inf if self.measured is None else (self.measured - self.truth) / self.truth

    @property
    def true(self) -> bool:
        """Whether the figure is within the bound."""
        low, high = self.between or (self.truth, self.truth)
        return self.measured is not None and (
            low * (1 - RELATIVE) - ABSOLUTE_MS <= self.measured <= high * (1 + RELATIVE) + ABSOLUTE_MS
        )

    def __str__(self) -> str:
        return f"{self.name} {self.truth:.1f} → {'–' if self.measured is None else f'{self.measured:.1f}'}"


@dataclass(frozen=True)
class Figures:
    """The figures of a run beside the truth."""

    result: dict[str, Any]
    compared: Sequence[Compared]
    """Of the requests that were not set apart: overall, then by endpoint."""
    everything: Sequence[Compared]
    """Those set apart counted in."""
    unfit_nodes: Mapping[str, int]
    """Steady seconds that were set apart, by node."""
    target_late: float
    """The share of requests that the target itself was late for."""
    found: float
    """Of the requests that the run counted in the steady part, the share that the target's record has."""
    seconds_off: int = 0
    """Requests that the run counts in another second than their marks say."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    hanging: int = 0
    """Requests of the judged seconds that got no answer."""
    load_ended_s: float | None = None
    """When the run's load ended, by the monotonic clock."""

    @property
    def target_fit(self) -> bool:
        """Whether the truth can be believed."""
        return self.target_late <= MAX_LATE and self.found >= RATIO_COUNTED

    @property
    def all_true(self) -> bool:
        """Whether every judged figure is true."""
        return all(each.true for each in self.compared if each.name.split()[-1] in JUDGED)

    def of(self, name: str) -> Compared:
        """Return one figure by its name, such as `p99`."""
        return next(each for each in self.compared if each.name == name)


def asked(served: Iterable[Served]) -> list[Asked]:
    """Return the requests by asker and number, without each asker's last answered one, whose end was not reported."""
    by_asker: defaultdict[str, dict[int, tuple[Served, float]]] = defaultdict(dict)
    for each in served:
        asker, number, ended_before_s = each.mark.split(",")
        by_asker[asker][int(number)] = each, float(ended_before_s)
    return [
        Asked(
            each.path,
            asker.partition("_")[0],
            asker,
            number,
            each,
            chain[number + 1][1] if each.answered else each.ended_s,
        )
        for asker, chain in by_asker.items()
        for number, (each, _) in sorted(chain.items())
        if number + 1 in chain or not each.answered
    ]


def truth_of_schedule(requests: Sequence[Asked], period_s: float) -> dict[int, float]:
    """Return what users on a schedule meet, in ms by `id` of the request, for an open model and from the target's record alone.

    Task n of a user is due at the arrival of its first request + n × period. It begins then, or when the answer before
    it has come if that is later, takes as long as the target took, and is counted from when it was due. When the
    generator really asked is not used.
    """
    met = {}
    chains: defaultdict[str, list[Asked]] = defaultdict(list)
    for each in requests:
        chains[each.asker].append(each)
    for chain in chains.values():
        assert chain[0].number == 1
        ended_s = 0.0
        for each in chain:
            due_s = chain[0].served.arrived_s + (each.number - 1) * period_s
            ended_s = max(due_s, ended_s) + each.service_ms / 1000
            met[id(each)] = 1000 * (ended_s - due_s)
    return met


def compare(
    directory: Path, served: Sequence[Served], period_s: float | None = None, *, stalled_s: float = 0.0
) -> Figures:
    """Compare result.json with the target's record; with a `period_s`, with the truth of users on a schedule.

    `stalled_s` is how long the target was told to stall, for which it is not called late.
    """
    requests = asked(served)
    met = truth_of_schedule(requests, period_s) if period_s else {id(each): each.service_ms for each in requests}
    return compare_requests(directory, requests, met, stalled_s=stalled_s)


def compare_requests(
    directory: Path, requests: Sequence[Asked], met: Mapping[int, float], *, stalled_s: float = 0.0, ranks: int = 0
) -> Figures:
    """Compare result.json with requests of which `met` has the true latency in ms, by `id`.

    So many `ranks` a percentile may be beside its own, since a request at the edge of the judged part may be counted or not.
    """
    result = read_result(directory / "result.json")
    with closing(Store(directory / "run.db")) as store:
        checkpoint: Any = store.meta(CHECKPOINT_KEY)
        rows = list(store.fitness())
    spans = [(first_s + MAX_BEYOND_S, end_s - MAX_BEYOND_S) for first_s, end_s in checkpoint["steady_spans"]]
    steady = set(whole_seconds(spans))
    assert len(steady) == result["steady_s"], (spans, result["steady_s"])
    assert requests, f"nothing was asked; {result['reason']}"
    hanging = [each for each in requests if not each.served.answered and each.service_ms >= HANGS_MS]
    requests = [each for each in requests if each.served.answered]
    counted = {(row.node, row.second): row.requests for row in rows if row.second in steady}
    unfit = {(row.node, row.second) for row in rows if row.second in steady and row.unfit}
    ahead = {node: _ahead(node, requests, counted, checkpoint["began_s"]) for node in {row.node for row in rows}}
    placed = [(each, (each.node, math.floor(each.ended_s) + ahead[each.node])) for each in requests]
    inside = [(each, place) for each, place in placed if place in counted]
    fit = [(each.path, met[id(each)]) for each, place in inside if place not in unfit]
    every = [(each.path, met[id(each)]) for each, _ in inside]
    # A request that hangs counts in the last of the judged seconds in which it did.
    last = max(steady, default=-1)
    hung = [each for each in hanging if math.floor(each.served.arrived_s) + ahead[each.node] <= last]
    fit += [(each.path, each.service_ms) for each in hung if (each.node, last) not in unfit]
    every += [(each.path, each.service_ms) for each in hung]
    found = Counter(place for _, place in inside)
    late = sum(_late(each.served, stalled_s) for each, _ in inside)
    return Figures(
        result=result,
        compared=_compared(fit, result, "latency_ms", ranks),
        everything=_compared(every, result, "latency_all_ms", ranks)[: len(PERCENTS)],
        unfit_nodes=Counter(node for node, _ in unfit),
        target_late=late / max(1, len(inside)),
        found=len(inside) / max(1, sum(counted.values())),
        seconds_off=sum(max(0, number - counted[place]) for place, number in found.items()),
        reasons=Counter(
            row.unfit.split(" above")[0].rsplit(" ", 2)[0] for row in rows if row.second in steady and row.unfit
        ),
        hanging=len(hung),
        load_ended_s=None if checkpoint["ended_s"] is None else checkpoint["began_s"] + checkpoint["ended_s"],
    )


def _ahead(node: str, requests: Sequence[Asked], counted: Mapping[tuple[str, int], int], began_s: float) -> int:
    """By how much a node's seconds are ahead of the clock's: of the two possible values, the one that fits the counts."""
    seconds = Counter(math.floor(each.ended_s) for each in requests if each.node == node)

    def misfit(ahead: int) -> int:
        return sum(abs(seconds[second - ahead] - number) for (name, second), number in counted.items() if name == node)

    return min((-math.floor(began_s), -math.ceil(began_s)), key=misfit)


def _late(served: Served, stalled_s: float) -> bool:
    if stalled_s:
        return False  # what waits for the stall's end is late by plan, and so is the rush after it
    return served.read_s - served.arrived_s > LATE_S or served.ended_s - served.due_s > LATE_S


def _compared(requests: Sequence[tuple[str, float]], result: dict[str, Any], key: str, ranks: int) -> list[Compared]:
    def beside(name: str, values: Sequence[float], figure: str, measured: float | None) -> Compared:
        step = 100 * ranks / max(1, len(values))
        low, truth, high = (
            percentile(values, min(100.0, max(0.0, PERCENTS[figure] + by))) for by in (-step, 0.0, step)
        )
        return Compared(name, truth, measured, (low, high) if ranks else None)

    overall = [met for _, met in requests]
    compared = [beside(figure, overall, figure, result[key][figure]) for figure in PERCENTS]
    for endpoint in result["endpoints"]:
        own = [met for path, met in requests if path == endpoint["name"]]
        compared += [
            beside(f"{endpoint['name']} {figure}", own, figure, endpoint["latency_ms"][figure])
            for figure in ("p50", "p95", "p99")
        ]
    return compared


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the percentile by nearest rank over raw values, not-a-number without any."""
    return sorted(values)[max(1, math.ceil(percent / 100 * len(values) - 1e-9)) - 1] if values else math.nan
