"""How often a comparison of real runs raises a false alarm, and how often it finds what got slower.

Both runs of a pair are made at the same time, so that what else the machine does slows both alike: on one that others use, runs made one
after the other do differ.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from real_runs import real_run

from master.analysis.compare.files import compare_runs
from master.judge.result import Comparison, Floors

STEADY_S = 180
SLOWER = 1.15


@dataclass(frozen=True)
class RealPair:
    """Two runs, of which the second's target takes `factor` times as long for everything."""

    factor: float
    comparison: Comparison


def measure_real_pairs(pairs: int) -> Iterator[RealPair]:
    """Make so many pairs of runs of the same, and as many of which the second is slower, and compare them."""
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as folder:
        for number in range(pairs):
            for factor in (1.0, SLOWER):
                kind = "same" if factor == 1 else "slower"
                with ThreadPoolExecutor() as pool:
                    runs = [
                        pool.submit(
                            real_run,
                            Path(folder),
                            f"{kind}-{number}-{side}",
                            STEADY_S,
                            2 * number + side,
                            (1.0, factor)[side],
                        )
                        for side in (0, 1)
                    ]
                yield RealPair(factor, compare_runs(runs[0].result(), runs[1].result(), Floors()))
