"""What moves a series and is no drift: the heat of its node, and the time of day. Taken out by least squares, together with the trend.

Fitted together with it, since heat that rises along with a leak must not take the leak with it (Frisch and Waugh 1933). What can
then not be told apart makes the trend's error larger, and so what can be found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from master.analysis.soak.series import Floats

DAY_S = 86_400
RHYTHM_FROM_S = 64_800
"""From a run of 18 hours on, a daily rhythm can be told from a drift; in a shorter one it is none that can be seen."""
_MIN_HEAT_C = 0.5
"""Standard deviation of a node's temperature below which it can't explain anything."""


class Adjusted(NamedTuple):
    """A series without what is no drift, in the blocks that have a value."""

    times_s: Floats
    """The middle of each block, from the middle of all of them."""
    values: Floats
    others: Floats
    """What was taken out, a column each; the first is the constant."""
    trend: Floats
    """What of the times is not explained by `others`: all that a slope can be seen by."""


def adjust(times_s: Floats, values: Floats, heat_c: Floats | None, span_s: float) -> Adjusted:
    """The values without the part of heat and time of day. All have one value a block, none of them unknown."""
    times_s = times_s - times_s.mean()
    columns = [np.ones_like(times_s)]
    if heat_c is not None and float(np.std(heat_c)) >= _MIN_HEAT_C:
        columns.append(heat_c - heat_c.mean())
    if span_s >= RHYTHM_FROM_S:
        angle = 2 * np.pi * times_s / DAY_S
        # Once and twice a day: people are there for half of it.
        columns += [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
    others = np.column_stack(columns)
    trend = times_s - others @ np.linalg.lstsq(others, times_s, rcond=None)[0]
    both = np.column_stack([others, times_s])
    weights = np.linalg.lstsq(both, values, rcond=None)[0]
    without = values - others[:, 1:] @ weights[1:-1]
    return Adjusted(times_s, without, others, trend)
