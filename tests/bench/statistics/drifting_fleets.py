"""Soaks of fleets that are made up: how often one without a leak is said to have one, and how often a planted leak is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.random import Generator
from soak_fleets import (
    LEAK_PER_HOUR,
    NODES,
    QUIET,
    SPREAD_BYTES,
    autocorrelated,
    blocks_of,
    hot_node,
    judged,
    leak,
    memory,
)

from master.analysis.soak.blocks import Blocks
from master.analysis.soak.metrics import MB
from master.analysis.soak.series import Series

SEED = 7
HOURS = (297 / 3600, 24.0, 72.0)
"""Five minutes, a day, three days; kinds that go by the hour are of a day and three."""
BY_THE_HOUR = ("saw-tooth", "daily rhythm")
NOISE_BYTES = 1e6
"""Standard deviation, from block to block, of the memory of nodes in which a leak is planted."""


class FleetRates(msgspec.Struct, frozen=True):
    """Fleets of one kind, and in how many of them a drift was named: rightly where one was planted."""

    kind: str
    hours: float
    nodes: int
    fleets: int
    planted: bool
    named: float
    """Share of the fleets: any drift where none is planted, else the one that is."""
    wrong: float
    """Share of the fleets in which a drift was named that is none."""
    detectable_mb_per_day: float
    """What the results say, on average, of the least that they could have found."""


def kinds() -> list[tuple[str, float, int, bool, Callable[[Generator, Blocks], list[Series]]]]:
    """Name, hours, nodes, whether a leak is planted, and what makes a fleet; of those with a leak it is on the first node."""
    quiet = [
        (name, hours, NODES, False, lambda random, blocks, make=make: memory(make(random, blocks, NODES)))
        for name, make in QUIET.items()
        for hours in (HOURS[1:] if name in BY_THE_HOUR else HOURS)
    ]
    hot = [("one hot node", hours, NODES, False, hot_node) for hours in HOURS[1:]]
    leaking = [
        (
            f"leak of 1 %/h on one of {nodes}",
            24.0,
            nodes,
            True,
            lambda random, blocks, nodes=nodes: _leaking(random, blocks, nodes),
        )
        for nodes in (1, NODES)
    ]
    return [*quiet, *hot, *leaking]


def measure_fleets(fleets: int) -> Iterator[FleetRates]:
    """Each kind of fleet in turn, so many of them."""
    for kind, hours, nodes, planted, make in kinds():
        random, blocks = np.random.default_rng(SEED), blocks_of(hours)
        named, wrong, detectable = 0, 0, 0.0
        for _ in range(fleets):
            found = judged(make(random, blocks), blocks)
            subjects = [row.subject for row in found.worst if row.drifts]
            right = planted and "node001" in subjects
            named += right if planted else bool(subjects)
            wrong += found.drifting > right
            detectable += (found.detectable_per_day or 0.0) / MB
        yield FleetRates(
            kind, round(hours, 2), nodes, fleets, planted, named / fleets, wrong / fleets, detectable / fleets
        )


def _leaking(random: Generator, blocks: Blocks, nodes: int) -> list[Series]:
    fleet = memory(NOISE_BYTES / SPREAD_BYTES * autocorrelated(0.5)(random, blocks, nodes))
    return [leak(fleet[0], blocks, LEAK_PER_HOUR), *fleet[1:]]
