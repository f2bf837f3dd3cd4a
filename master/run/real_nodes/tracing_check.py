"""Whether the nodes can export the spans that a scenario asks for, found out before its load begins. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from master.errors import AbortError
from master.fleet.registry import Node
from master.run.real_nodes.naming import Naming, names_shown


class TracingCheck:
    """Refuses a run whose nodes lack OpenTelemetry."""

    def __init__(self, *, wanted: bool) -> None:
        """`wanted` says whether real nodes are to export spans; of simulated ones it is known beforehand."""
        self._wanted = wanted
        self._naming = Naming()

    def check(self, nodes: Mapping[str, Node], now_s: float, *, begins: bool) -> None:
        """Look at the nodes that are here, at least when the load `begins`. Raises AbortError with the names of those that can't."""
        lacking = [name for name, node in nodes.items() if node.facts is not None and not node.facts.tracing]
        if self._wanted and lacking and self._naming.due(nodes, now_s, begins=begins):
            raise _refusal(lacking)


def _refusal(names: list[str]) -> AbortError:
    return AbortError(
        f"the scenario has 'tracing', and OpenTelemetry is not installed on {names_shown(names)}",
        hint="Deploy it with the scenario: fab deploy-workers --scenario FILE. Or leave 'tracing' out.",
    )
