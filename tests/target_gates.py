"""The gates of a remote-desktop platform: what its target must reach, and by how much it did. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from master.scenario.rules import parse_threshold

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_UNITS = {"rate": ("/s", 1.0), "rate_per_user": ("/s", 1.0), "errors": ("%", 100.0)}
"""Units of the metrics that are no latency, and what turns a threshold's base unit into them."""


@dataclass(frozen=True)
class Gate:
    """One bound on one figure, and what was reached; None where it could not be measured."""

    area: str
    figure: str
    sign: str
    """`>` and `>=` make the bound a floor, `<` and `<=` a ceiling."""
    bound: float
    unit: str
    reached: float | None

    @property
    def holds(self) -> bool:
        """Whether what was reached is within the bound."""
        return self.reached is not None and _HOLDS[self.sign](self.reached, self.bound)

    @property
    def margin(self) -> float | None:
        """How many times better than the bound; below 1 where the gate does not hold, None where no number says it."""
        if not self.reached or not self.bound:
            return None
        return self.reached / self.bound if self.sign.startswith(">") else self.bound / self.reached


def floor(area: str, figure: str, bound: float, unit: str, reached: float | None) -> Gate:
    """More than `bound` must be reached."""
    return Gate(area, figure, ">", bound, unit, reached)


def ceiling(area: str, figure: str, bound: float, unit: str, reached: float | None) -> Gate:
    """Less than `bound` must be reached."""
    return Gate(area, figure, "<", bound, unit, reached)


def gates_of_run(area: str, thresholds: Iterable[Mapping[str, Any]]) -> list[Gate]:
    """The gates that the thresholds of a run are: `rule`, and `value`, what was reached in the rule's base unit."""
    found = []
    for each in thresholds:
        rule = parse_threshold(each["rule"])
        if rule.default or rule.op not in _HOLDS:
            continue
        unit, factor = _UNITS.get(rule.metric, ("ms", 1.0))
        reached = None if each["value"] is None else each["value"] * factor
        figure = " ".join(part for part in (rule.method, rule.name, rule.metric) if part)
        found.append(Gate(area, figure, rule.op, rule.limit * factor, unit, reached))
    return found
