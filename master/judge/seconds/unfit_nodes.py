"""Which nodes were not fit to measure, why, for how long and when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from master.formatting import natural
from master.store import FitnessRow

MAX_SPANS = 6
"""Spans kept of one node; further ones are counted."""


@dataclass
class UnfitNode:
    """One node's unfit seconds, with those of each reason, and the requests excluded for them."""

    name: str
    spans: list[tuple[int, int]] = field(default_factory=list)
    """When it was unfit, as [start, end), in order of time; MAX_SPANS at most."""
    further_spans: int = 0
    seconds: int = 0
    requests: int = 0
    lag_max_ms: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    _end_s: int = -1
    _reasons_now: set[str] = field(default_factory=set)

    def add(self, row: FitnessRow) -> None:
        """Count what one worker of the node measured in an unfit second; rows come in order of time."""
        if row.second >= self._end_s:
            self._add_second(row.second)
        self.requests += row.requests
        self.lag_max_ms = max(self.lag_max_ms, row.lag_max_ms)
        for reason in {kind(text): None for text in row.unfit.split("; ")}:
            if reason not in self._reasons_now:
                self._reasons_now.add(reason)
                self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def _add_second(self, second: int) -> None:
        self.seconds += 1
        self._reasons_now.clear()
        follows = self._end_s == second
        self._end_s = second + 1
        if not follows and len(self.spans) == MAX_SPANS:
            self.further_spans += 1
        elif not follows:
            self.spans.append((second, second + 1))
        elif not self.further_spans:
            self.spans[-1] = (self.spans[-1][0], second + 1)


def kind(reason: str) -> str:
    """A reason without what was observed, so that those of one kind count together: `loop lag above 50 ms`."""
    return re.sub(r" [0-9.]+ \S+(?= above )", "", reason)


def unfit_nodes(rows: Iterable[FitnessRow]) -> list[UnfitNode]:
    """One entry per node of `rows` (which are in order of time), the longest unfit first."""
    found: dict[str, UnfitNode] = {}
    for row in rows:
        found.setdefault(row.node, UnfitNode(row.node)).add(row)
    return sorted(found.values(), key=lambda node: (-node.seconds, natural(node.name)))
