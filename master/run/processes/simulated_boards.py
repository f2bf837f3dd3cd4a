"""Simulated boards: kind, place in the rack and power supply of each node. Pure; random numbers are seeded."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from master.scenario import SimulatedRack
from worker.simulation.boards import BOARDS, KINDS
from worker.simulation.orders import SimulatedBoard

WEAK_SUPPLY = (0.05, 0.35)
"""A weak supply sags between these shares of the power by which a busy board draws more than one at rest."""


def distribute_kinds(fleet: Mapping[str, float], count: int) -> list[str]:
    """The kind of each of `count` nodes, evenly mixed by the weights in `fleet`, which are above 0.

    By Webster's method (Sainte-Laguë): the next node is of the kind with the largest weight / (2 × nodes of it + 1). So the
    first nodes of a large fleet are what a small one would be.
    """
    given = dict.fromkeys(fleet, 0)
    kinds = []
    for _ in range(count):
        kind = max(fleet, key=lambda kind: fleet[kind] / (2 * given[kind] + 1))
        given[kind] += 1
        kinds.append(kind)
    return kinds


def assign_boards(
    fleet: Mapping[str, float], rack: SimulatedRack, seed: int, nodes: Sequence[str]
) -> dict[str, SimulatedBoard]:
    """The board of each of all `nodes` of a run, in their order; the same for the same seed."""
    weak_count = round(len(nodes) * rack.weak_supply_percent / 100)
    weak = set(random.Random(f"{seed} supply").sample(nodes, weak_count))  # noqa: S311  # no secret
    found = {}
    for name, kind in zip(nodes, distribute_kinds(fleet, len(nodes)), strict=True):
        rng = random.Random(f"{seed} {name}")  # noqa: S311  # no secret
        warmer_c, weakness = rack.spread_c * rng.random(), rng.uniform(*WEAK_SUPPLY)
        board, cooling = KINDS[kind]
        idle_w, load_w = BOARDS[board].idle_w, BOARDS[board].load_w
        found[name] = SimulatedBoard(
            board,
            cooling,
            rack.ambient_c + warmer_c,
            supply_w=idle_w + weakness * (load_w - idle_w) if name in weak else None,
            thermal_speed=rack.thermal_speed,
            request_cpu_s=rack.request_cpu_s,
        )
    return found
