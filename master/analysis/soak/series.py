"""A series: one value a block, of one subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """What is measured of one subject, such as a node, block by block."""

    subject: str
    values: Floats
    """NaN where a block has none."""
    heat_c: Floats | None = None
    """The subject's temperature in the same blocks, whose share in the values is no drift; None: it has none."""
    saws: bool = False
    """Whether it may saw, as memory does."""
