"""Many tests at once: which of them may be believed. Pure."""

from __future__ import annotations

import numpy as np

from master.analysis.soak.series import Floats


def adjust(p_values: Floats) -> Floats:
    """P values of one family of tests, adjusted by Benjamini and Hochberg (1995): those up to q have a false discovery rate of q at most.

    Where nothing drifted at all, that is the chance of any false alarm in the whole family. Holds for tests that are independent of
    each other or go along with each other, as nodes of one rack do (Benjamini and Yekutieli 2001).
    """
    count = len(p_values)
    order = np.argsort(p_values)
    scaled = p_values[order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
