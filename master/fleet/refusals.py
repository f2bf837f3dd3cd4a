"""What was refused of what nodes sent: how much, for which reason, and whose it was. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

NOT_CREDIBLE = "not credible"
"""The kind of the event that names a node."""
_MAX_SHOWN = 5


class Refusals:
    """Counts by reason; the first time that a node gives a reason is an event that names it."""

    def __init__(self, counts: Counter[str], event: Callable[[str, str | None, str], None]) -> None:
        """`counts` is by reason, and may have more in it. `event` is called with kind, node and detail."""
        self._counts = counts
        self._event = event
        self._nodes: defaultdict[str, set[str]] = defaultdict(set)

    def note(self, node: str, reason: str, detail: str = "") -> None:
        """Something of `node` is not credible. Reasons are few; what changes from one time to the next goes to `detail`."""
        self._counts[reason] += 1
        if node not in self._nodes[reason]:
            self._nodes[reason].add(node)
            self._event(NOT_CREDIBLE, node, detail or f"{reason}: dropped")

    def named(self, counts: Mapping[str, int]) -> dict[str, int]:
        """`counts` by reason, with the nodes in each reason that are known to have given it."""
        return {self._with_nodes(reason): count for reason, count in counts.items()}

    def _with_nodes(self, reason: str) -> str:
        nodes = sorted(self._nodes.get(reason, ()))
        if not nodes:
            return reason
        more = f" and {len(nodes) - _MAX_SHOWN} more" if len(nodes) > _MAX_SHOWN else ""
        return f"{reason} ({', '.join(nodes[:_MAX_SHOWN])}{more})"


def refusal_warnings(events: Iterable[tuple[float, str, str | None, str]]) -> list[str]:
    """A line for each of the first nodes that events of a run name for what was refused of them, and one for the others."""
    details: dict[str, list[str]] = {}
    for _, kind, node, detail in events:
        if kind == NOT_CREDIBLE and node is not None:
            details.setdefault(node, []).append(detail)
    lines = [
        f"{node} sent what can't be true: {'; '.join(found)}" for node, found in list(details.items())[:_MAX_SHOWN]
    ]
    return (
        [*lines, f"{len(details) - _MAX_SHOWN} more nodes sent what can't be true"]
        if len(details) > _MAX_SHOWN
        else lines
    )
