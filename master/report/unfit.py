"""Which nodes were not fit to measure, why, for how long and when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from master.report.words import natural
from master.store import FitnessRow


@dataclass
class UnfitNode:
    """One node's unfit seconds within [first_s, end_s), with the seconds of each reason and the requests set apart."""

    name: str
    first_s: int
    end_s: int = 0
    seconds: int = 0
    requests: int = 0
    lag_max_ms: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, row: FitnessRow) -> None:
        """Count one unfit second."""
        self.end_s = row.second + 1
        self.seconds += 1
        self.requests += row.requests
        self.lag_max_ms = max(self.lag_max_ms, row.lag_max_ms)
        for reason in dict.fromkeys(kind(text) for text in row.unfit.split(", ")):
            self.reasons[reason] = self.reasons.get(reason, 0) + 1


def kind(reason: str) -> str:
    """A reason without what was observed, so that those of one kind count together: `loop lag above 50 ms`."""
    return re.sub(r" [0-9.]+ \S+(?= above )", "", reason)


def unfit_nodes(rows: Iterable[FitnessRow]) -> list[UnfitNode]:
    """One entry per node of `rows` (which are in order of time), the longest unfit first."""
    found: dict[str, UnfitNode] = {}
    for row in rows:
        found.setdefault(row.node, UnfitNode(row.node, row.second)).add(row)
    return sorted(found.values(), key=lambda node: (-node.seconds, natural(node.name)))
