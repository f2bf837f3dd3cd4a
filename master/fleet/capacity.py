"""How much load a node is to carry, by how it bears it. Pure; times and readings are parameters."""

from __future__ import annotations

import math

from worker.telemetry.pi.models import PI_MODELS, find_model
from worker.wire.messages import Facts

_STEPS_PER_DOUBLING = 4
STEP = 2 ** (1 / _STEPS_PER_DOUBLING)
"""Capacities differ by whole steps, so that many nodes share few of them and a small change moves nobody."""
MAX_STEPS = 12
"""A hot node keeps an eighth of its load at least: without any it would be cool, and nobody would know what it bears."""
REDUCE_INTERVAL_S = 10.0
"""While it is hot it carries a step less each time: the board's own mass takes about 2 min to follow."""
RESTORE_INTERVAL_S = 30.0
"""When it is cool again it carries a step more each time, far slower than it may heat up."""
COOL_BELOW_C = 75.0
"""Five degrees below where a Pi's firmware begins to lower the clock: between the two nothing changes."""
HEADROOM = 1.5
"""A node may say that it carries so many times what its board is known to. The estimates are within 30 %, and an overclocked board
is faster by a fifth (a Pi 5 at 2.9 GHz in place of 2.4)."""
MAX_PER_CORE = 100.0
"""A core of no machine is so many times as fast as a Pi 4's: one of a server of 2026 measures 27."""
LARGEST = max(board.capacity for board in PI_MODELS.values())
"""Of the largest known board: no node is given more by its own word, or it would draw all users to itself."""


def full_capacity(facts: Facts) -> float:
    """What a node can carry when it is cool, in cores of a Raspberry Pi 4 at full clock.

    As it has measured; else by its model, where that is known; else each of its cores counts as one. Above HEADROOM times
    what its board can have it counts as that board, and what is no known board as the largest of them.
    """
    known = find_model(facts.model)
    max_capacity = LARGEST if known is None else known.capacity
    capacity = facts.capacity
    if capacity is None:
        capacity = float(max(1, facts.cpu_count)) if known is None else known.capacity
    return max_capacity if capacity > HEADROOM * max_capacity else capacity


def is_possible_capacity(facts: Facts) -> bool:
    """Whether a machine that is no Raspberry Pi can carry what it says."""
    return facts.capacity is None or facts.capacity <= MAX_PER_CORE * facts.cpu_count


class Capacity:
    """One node's, in cores of a Raspberry Pi 4 at full clock, to the nearest step.

    A node that is too warm or held down by its firmware carries less and less until it bears it, and gets it back step by
    step when it has been cool. What is not known changes nothing.
    """

    def __init__(self, full: float = 1.0) -> None:
        """`full` is what it can carry when it is cool, above 0."""
        self._full_steps = _steps(full)
        self._steps = 0
        self._changed_s: float | None = None

    @property
    def value(self) -> float:
        """What it is to carry now, above 0."""
        return _capacity(self._full_steps - self._steps)

    @property
    def share(self) -> float:
        """What it is to carry of what it could when cool: above 0, at most 1."""
        return _capacity(-self._steps)

    @property
    def reduced(self) -> bool:
        """Whether it is to carry less than it could when cool."""
        return self._steps > 0

    def set_full(self, full: float) -> None:
        """It can carry `full` when it is cool, as it says now: it may have started anew. How warm it is stays as it was."""
        self._full_steps = _steps(full)

    def update(self, now_s: float, temperature_c: float | None, *, hot: bool, throttled: bool) -> bool:
        """See how it is now, once a second or so; whether its capacity has changed.

        `hot` is from where its firmware may hold it down, `throttled` whether it does.
        """
        if hot or throttled:
            return self._steps < MAX_STEPS and self._change(2 if throttled else 1, now_s, REDUCE_INTERVAL_S)
        if self._steps and temperature_c is not None and temperature_c < COOL_BELOW_C:
            return self._change(-1, now_s, RESTORE_INTERVAL_S)
        return False

    def _change(self, steps: int, now_s: float, every_s: float) -> bool:
        if self._changed_s is not None and now_s - self._changed_s < every_s:
            return False
        self._changed_s = now_s
        self._steps = min(MAX_STEPS, max(0, self._steps + steps))
        return True


def _steps(capacity: float) -> int:
    return round(_STEPS_PER_DOUBLING * math.log2(capacity))


def _capacity(steps: int) -> float:
    return float(2 ** (steps / _STEPS_PER_DOUBLING))
