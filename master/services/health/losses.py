"""When services that a run requires were lost, and when they came back. Pure.

A service that does not answer once may only have been slow: it is lost when LOST_AFTER looks in a row find it unhealthy, and then
since the first of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LOST_AFTER = 3
"""Looks in a row."""
MAX_LOSSES = 100
"""Losses that are kept, so that a service that comes and goes for a day does not fill the result."""
LOSSES_KEY = "service_losses"
"""In `meta` of run.db: the losses so far; not there where nothing was watched."""


@dataclass
class Loss:
    """A service that was lost, why, and from when to when, in seconds of the run; `to_s` is None where it did not come back."""

    service: str
    detail: str
    from_s: float
    to_s: float | None = None


class LossTracker:
    """The losses of one run."""

    def __init__(self, losses: Iterable[Loss] = ()) -> None:
        """`losses` are those that an earlier controller noted."""
        self.losses = list(losses)
        self._lost = {loss.service: loss for loss in self.losses if loss.to_s is None}
        self._suspected: dict[str, list[float]] = {}

    def look(self, at_s: float, unhealthy: Mapping[str, str]) -> tuple[list[Loss], list[Loss]]:
        """Note a look at all services, of which these are unhealthy, each with the reason; those lost now, and those back now."""
        back = [loss for name, loss in self._lost.items() if name not in unhealthy]
        for loss in back:
            loss.to_s = at_s
            del self._lost[loss.service]
        lost = []
        self._suspected = {name: [*self._suspected.get(name, ()), at_s] for name in unhealthy if name not in self._lost}
        for name, looks in list(self._suspected.items()):
            if len(looks) >= LOST_AFTER:
                lost.append(Loss(name, unhealthy[name], looks[0]))
                self._lost[name] = lost[-1]
                del self._suspected[name]
        self.losses += lost[: max(0, MAX_LOSSES - len(self.losses))]
        return lost, back


def pack_losses(losses: Iterable[Loss]) -> list[list[object]]:
    """As JSON keeps them."""
    return [[loss.service, loss.detail, loss.from_s, loss.to_s] for loss in losses]


def unpack_losses(packed: object) -> list[Loss] | None:
    """What `pack_losses` made; None where there is none. Raises ValueError or TypeError for anything else."""
    if packed is None:
        return None
    if not isinstance(packed, list):
        raise TypeError(f"{packed!r:.80} is no list of losses")
    return [
        Loss(str(service), str(detail), float(from_s), None if to_s is None else float(to_s))
        for service, detail, from_s, to_s in packed
    ]
