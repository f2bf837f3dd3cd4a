"""Samples of one node, added up figure by figure. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from master.store.rows import SampleRange

Figure = tuple[float, float, float, int] | None
"""The lowest, mean and highest of so many values; None where none is known."""


class SampleSum:
    """The samples of a node within some span."""

    __slots__ = ("_highest", "_known", "_lowest", "_sums", "samples")

    def __init__(self, figures: int) -> None:
        """Of so many figures."""
        self.samples = 0
        self._lowest: list[float | None] = [None] * figures
        self._highest: list[float | None] = [None] * figures
        self._sums, self._known = [0.0] * figures, [0] * figures

    def add(self, samples: int, figures: Sequence[Figure]) -> None:
        """Add so many samples."""
        self.samples += samples
        for place, figure in enumerate(figures):
            if figure is None:
                continue
            lowest, mean, highest, known = figure
            least, most = self._lowest[place], self._highest[place]
            self._lowest[place] = lowest if least is None else min(least, lowest)
            self._highest[place] = highest if most is None else max(most, highest)
            self._sums[place] += mean * known
            self._known[place] += known

    def ranges(self) -> tuple[SampleRange | None, ...]:
        """Figure by figure."""
        return tuple(
            None
            if lowest is None or highest is None or not known
            else SampleRange(lowest, min(max(total / known, lowest), highest), highest)
            for lowest, highest, total, known in zip(self._lowest, self._highest, self._sums, self._known, strict=True)
        )
