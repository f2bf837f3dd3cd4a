"""What the rounds say together. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from rounds import LOADS, Round

FULL = 95.0
"""From this percentage of its core on, a process may have needed more than there was."""
LATE_S = 0.5
"""Peers that are further behind than this sent less than they should have."""

FIGURES: dict[str, Callable[[Round], float]] = {
    "ready_s": lambda each: each.ready.seconds,
    "ready_cpu_s": lambda each: each.ready.cpu_s,
    "ramp_s": lambda each: each.ramp.seconds,
    "ramp_cpu_s": lambda each: each.ramp.cpu_s,
    **{f"{name}_percent": lambda each, name=name: each.windows[name].cpu_percent for name in LOADS},
    "rss_mib": lambda each: each.windows[max(LOADS, key=LOADS.__getitem__)].rss_bytes / (1 << 20),
}
"""How each figure is had from a round. RSS is that under the largest load."""


@dataclass(frozen=True, slots=True)
class Row:
    """One master with so many workers: the medians of FIGURES over its rounds, and of each round's ratio to the stock one's.

    Where there is no figure, `missing` says why. `full` and `late` count the rounds in which the master had no more core to
    take, or the peers were behind; `lost` the workers that it took for dead in all rounds.
    """

    workers: int
    master: str
    figures: dict[str, float] = field(default_factory=dict)
    of_stock: dict[str, float] = field(default_factory=dict)
    full: int = 0
    late: int = 0
    lost: int = 0
    missing: str | None = None


def row(workers: int, master: str, rounds: Sequence[Round]) -> Row:
    """The row of `master`. One of which any round failed has no figures: what is left could be what it does best."""
    mine = [each for each in rounds if (each.workers, each.master) == (workers, master)]
    stock = {
        each.round: each for each in rounds if (each.workers, each.master) == (workers, "stock") and not each.error
    }
    errors = [each.error for each in mine if each.error is not None]
    if errors or not mine:
        return Row(workers, master, missing=f"failed: {errors[0]}" if errors else "not measured")
    figures = {name: median(of(each) for each in mine) for name, of in FIGURES.items()}
    ratios = {}
    if master != "stock":
        for name, of in FIGURES.items():
            pairs = [(of(each), of(stock[each.round])) for each in mine if each.round in stock]
            if len(pairs) == len(mine) and all(other for _, other in pairs):
                ratios[name] = median(own / other for own, other in pairs)
    windows = [each.windows.values() for each in mine]
    return Row(
        workers,
        master,
        figures,
        ratios,
        full=sum(any(window.cpu_percent >= FULL for window in each) for each in windows),
        late=sum(any(window.late_s > LATE_S for window in each) for each in windows),
        lost=sum(each.lost for each in mine),
    )
