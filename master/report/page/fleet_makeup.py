"""What the fleet is made of: how many nodes of which board, system, kernel and Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from master.formatting import natural
from master.report.fleet import NodeTrack
from worker.telemetry.facts import UNKNOWN
from worker.wire.messages import Facts


@dataclass(frozen=True)
class Boards:
    """Nodes that are alike; `simulated` is None of nodes that never said what they are."""

    model: str
    simulated: bool | None
    os: str
    kernel: str
    python: str
    nodes: list[str]


def boards(tracks: Iterable[NodeTrack]) -> list[Boards]:
    """Groups of nodes that are alike, the largest first."""
    found: dict[tuple[bool | None, str, str, str, str], list[str]] = {}
    for track in tracks:
        found.setdefault(_kind(track.facts), []).append(track.name)
    groups = [
        Boards(model, simulated, os, kernel, python, names)
        for (simulated, model, os, kernel, python), names in found.items()
    ]
    return sorted(groups, key=lambda group: (-len(group.nodes), group.model, natural(group.nodes[0])))


def _kind(facts: Facts | None) -> tuple[bool | None, str, str, str, str]:
    if facts is None:
        return None, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN
    return facts.simulated, facts.model, facts.os, facts.kernel, facts.python
