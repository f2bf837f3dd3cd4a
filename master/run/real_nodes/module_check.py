"""Whether the nodes have the packages that the operator's project imports, found out before they get any work. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from master.errors import AbortError, list_faults
from master.fleet.registry import Node
from master.run.real_nodes.naming import Naming, names_shown
from worker.wire.messages import Facts


class ModuleCheck:
    """Refuses a run whose nodes lack packages, and names them."""

    def __init__(self, needed: Mapping[str, tuple[Path, int]]) -> None:
        """`needed` has the place that imports each module."""
        self._needed = needed
        self._naming = Naming()

    def lacking(self, facts: Facts | None) -> list[str]:
        """The modules that a node lacks; none where it is not known what it has."""
        if facts is None or facts.modules is None:
            return []
        return sorted(self._needed.keys() - set(facts.modules))

    def check(self, nodes: Mapping[str, Node], now_s: float, *, begins: bool) -> None:
        """Look at the nodes that are here, at least when the load `begins`. Raises AbortError that names modules, places and nodes."""
        without: dict[str, list[str]] = {}
        for name, node in nodes.items():
            for module in self.lacking(node.facts):
                without.setdefault(module, []).append(name)
        if without and self._naming.due(nodes, now_s, begins=begins):
            raise self._refusal(without)

    def _refusal(self, without: Mapping[str, list[str]]) -> AbortError:
        rows = [
            f"{self._needed[module][0]}:{self._needed[module][1]}: imports {module}, which is not installed on {names_shown(names)}"
            for module, names in without.items()
        ]
        return AbortError(
            rows[0] if len(rows) == 1 else f"nodes lack {len(rows)} packages\n{list_faults(rows, len(rows))}",
            hint="Deploy what is missing, pinned and with hashes: fab deploy-workers --requirements FILE. No worker was started.",
        )
