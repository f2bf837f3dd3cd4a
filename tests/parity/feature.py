"""What is compared: an observation of two runs of the same project, which is to be the same, or to differ for a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runs import Seen


@dataclass(frozen=True)
class Feature:
    """One feature of Locust, and how it is seen in a run of the project `pair`."""

    name: str
    title: str
    pair: str
    observe: Callable[[Seen], Mapping[str, Any]]
    """Raises anything where what is to be observed is not there."""
    ours: Mapping[str, Any] | None = None
    """What piswarm shows where it differs on purpose."""
    reason: str = ""
    """Why it does; one line."""


@dataclass(frozen=True)
class Outcome:
    """One feature, as both sides showed it; None where a side did not run or did not show it."""

    feature: Feature
    stock: Mapping[str, Any] | None
    ours: Mapping[str, Any] | None
    fault: str = ""
    """What kept a side from showing it."""

    @property
    def same(self) -> bool:
        return not self.fault and self.stock == self.ours

    @property
    def as_said(self) -> bool:
        """Whether both sides show the same, or what is said of the difference."""
        return self.same or (not self.fault and self.feature.ours is not None and self.ours == self.feature.ours)


def observe(feature: Feature, stock: Seen | str, ours: Seen | str) -> Outcome:
    """Observe a feature in two runs; a text in place of a run says why there is none."""
    shown: list[Mapping[str, Any] | None] = []
    faults = []
    for side, seen in (("Locust", stock), ("piswarm", ours)):
        if isinstance(seen, str):
            shown.append(None)
            faults.append(f"{side}: {seen}")
            continue
        try:
            shown.append(feature.observe(seen))
        except Exception as error:  # noqa: BLE001  # whatever an observation finds missing
            shown.append(None)
            faults.append(f"{side}: {type(error).__name__}: {error}")
    return Outcome(feature, *shown, fault="; ".join(faults))
