"""Whether the nodes can export the spans that a scenario asks for, found out before its load begins. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from master.errors import AbortError
from master.fleet.registry import Node

NAMING_S = 3.0
"""The time that further nodes have to say that they can't, once the first has said it: so all are in one message."""
MAX_NAMES = 10
"""Nodes that the message names."""


class TracingCheck:
    """Refuses a run whose nodes lack OpenTelemetry."""

    def __init__(self, *, wanted: bool) -> None:
        """`wanted` says whether real nodes are to export spans; of simulated ones it is known beforehand."""
        self._wanted = wanted
        self._first_s: float | None = None

    def check(self, nodes: Mapping[str, Node], now_s: float, *, begins: bool) -> None:
        """Look at the nodes that are here, at least when the load `begins`. Raises AbortError with the names of those that can't."""
        lacking = [name for name, node in nodes.items() if node.facts is not None and not node.facts.tracing]
        if not self._wanted or not lacking:
            return
        if self._first_s is None:
            self._first_s = now_s
        if begins or now_s >= self._first_s + NAMING_S or all(node.facts is not None for node in nodes.values()):
            raise _refusal(lacking)


def _refusal(names: list[str]) -> AbortError:
    shown = ", ".join(names[:MAX_NAMES]) + (f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else "")
    return AbortError(
        f"the scenario has 'tracing', and OpenTelemetry is not installed on {shown}",
        hint="Deploy it with the scenario: fab deploy-workers --scenario FILE. Or leave 'tracing' out.",
    )
