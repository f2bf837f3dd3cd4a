"""Memory that saws: it rises until it is collected, and falls at once. What leaks is the floor that it falls back to. Pure."""

from __future__ import annotations

import numpy as np

from master.analysis.soak.series import Floats

MIN_DROPS = 2
"""A single fall may be anything."""
_DROP_SHARE, _DROP_DEVIATIONS = 0.25, 5.0
"""A fall by so much of the whole range, and so many times what neighbours usually differ by."""


def floor_of(values: Floats) -> Floats:
    """`values` with each tooth at its lowest value, and unknown before the first fall; unchanged where they don't saw.

    Teeth that are shorter than a block are not seen here: a block's value is its lowest one already.
    """
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 4:
        return values
    steps = np.diff(values[known])
    usual = 1.4826 * float(np.median(np.abs(steps - np.median(steps))))
    largest = max(_DROP_DEVIATIONS * usual, _DROP_SHARE * float(np.ptp(values[known])))
    drops = np.flatnonzero(steps < -largest) + 1 if largest > 0 else np.array([], dtype=int)
    if len(drops) < MIN_DROPS:
        return values
    floor = np.full_like(values, np.nan)
    for tooth in np.split(known, drops)[1:]:
        floor[tooth] = values[tooth].min()
    return floor
