"""What the rounds say together. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from cases import CASES, WAYS, Cost, Round

PAPER = 500
"""Hosts of which it is told on paper what they would take."""

FIGURES: dict[str, Callable[[Cost], float]] = {
    "seconds": lambda cost: cost.seconds,
    "cpu_s": lambda cost: cost.cpu_s,
    "hosts_cpu_s": lambda cost: cost.hosts_cpu_s,
    "to_hosts_mb": lambda cost: cost.to_hosts_bytes / 1e6,
    "from_hosts_mb": lambda cost: cost.from_hosts_bytes / 1e6,
}
"""How each figure is had from what a command took, for all hosts together."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case by one way on so many hosts: the medians of FIGURES over its rounds.

    `times` has how many times as much the playbook takes: the median of each round's ratio. Where there is no figure, `missing`
    says why. `release_bytes` are the most of any round.
    """

    hosts: int
    case: str
    way: str
    figures: dict[str, float] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    release_bytes: int | None = None
    missing: str | None = None


def rows_of(rounds: Sequence[Round]) -> list[Row]:
    """All rows, by number of hosts, case and way."""
    counts = sorted({each.hosts for each in rounds})
    return [row(count, case, way, rounds) for count in counts for case in CASES for way in WAYS]


def row(hosts: int, case: str, way: str, rounds: Sequence[Round]) -> Row:
    """One row. One of which any round failed has no figures: what is left could be what it does best."""
    alike = [each for each in rounds if (each.hosts, each.case) == (hosts, case)]
    mine = [each for each in alike if each.way == way]
    errors = [each.error for each in mine if each.cost is None]
    if errors or not mine:
        return Row(hosts, case, way, missing=f"failed: {errors[0]}" if errors else "not measured")
    costs = {each.round: each.cost for each in mine if each.cost is not None}
    others = {each.round: each.cost for each in alike if each.way != way and each.cost is not None}
    figures = {name: median(of(cost) for cost in costs.values()) for name, of in FIGURES.items()}
    times = {}
    if way == "ours" and others.keys() == costs.keys():
        for name, of in FIGURES.items():
            if all(of(cost) for cost in costs.values()):
                times[name] = median(of(others[number]) / of(cost) for number, cost in costs.items())
    sent = [each.release_bytes for each in mine if each.release_bytes is not None]
    return Row(hosts, case, way, figures, times, max(sent, default=None))


@dataclass(frozen=True, slots=True)
class Paper:
    """What PAPER hosts would take: of each figure a fixed part, and a part for each host, by the fewest and the most that were measured."""

    case: str
    way: str
    fixed: Mapping[str, float]
    each: Mapping[str, float]

    def whole(self, name: str) -> float:
        """Of the figure `name`, for all of PAPER."""
        return self.fixed[name] + PAPER * self.each[name]


def on_paper(rows: Sequence[Row]) -> list[Paper]:
    """By case and way; nothing where only one number of hosts was measured, or a row has no figures."""
    found = []
    for case in CASES:
        for way in WAYS:
            mine = sorted(
                (row for row in rows if (row.case, row.way) == (case, way) and row.figures), key=lambda row: row.hosts
            )
            if len(mine) >= 2:
                found.append(_line(mine[0], mine[-1]))
    return found


def _line(few: Row, many: Row) -> Paper:
    """Through two points. Where noise would have it begin below nothing, through nothing and the larger one."""
    fixed, each = {}, {}
    for name in FIGURES:
        slope = (many.figures[name] - few.figures[name]) / (many.hosts - few.hosts)
        start = few.figures[name] - few.hosts * slope
        fixed[name], each[name] = (start, slope) if start >= 0 else (0.0, many.figures[name] / many.hosts)
    return Paper(few.case, few.way, fixed, each)
