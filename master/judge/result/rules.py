"""The rules in a result: thresholds on the target, validity checks on the generator.

What was observed and what is allowed are numbers. The unit is in their keys, and each row has the keys of its unit alone: a threshold on
a p95 has `limit_ms` and `observed_ms`, one on errors `limit_share` and `observed_share`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

NO_DATA = "no data"
"""What is observed of a check where nothing was measured."""

Op = Literal["<", "<=", ">", ">=", "="]
"""How what is observed must stand to the limit."""

Number = float | None | UnsetType
"""Null where it is unknown; the key is missing where the row is in another unit."""


class ThresholdResult(msgspec.Struct, kw_only=True):
    """One rule on the target: what it is on, its limit, and what was observed.

    Each row has two numbers, `limit_UNIT` and `observed_UNIT`, in one unit of: `ms`, `s`, `per_s`, `share` (0 to 1), `count`, `code` (an
    exit code). Observed is null where nothing was measured, or it is unknown; of a rule with a window it is the worst window's.
    """

    rule: str
    """As the scenario has it; `(default)` after those that it does not have."""
    metric: str
    """Such as `p95`, `service p95`, `errors`; `lost` of a service that the scenario requires, `process_exit_code` of a locustfile."""
    method: str | None = None
    """The endpoint that it is on; null where it is on all requests."""
    name: str | None = None
    window_s: int | None = None
    """It must hold in every window of so many seconds; null where it is on all steady seconds together."""
    op: Op
    ok: bool | None
    """Whether it holds; null where that is unknown."""
    limit_ms: float | UnsetType = UNSET
    limit_s: float | UnsetType = UNSET
    limit_per_s: float | UnsetType = UNSET
    limit_share: float | UnsetType = UNSET
    limit_count: float | UnsetType = UNSET
    limit_code: float | UnsetType = UNSET
    observed_ms: Number = UNSET
    observed_s: Number = UNSET
    observed_per_s: Number = UNSET
    observed_share: Number = UNSET
    observed_count: Number = UNSET
    observed_code: Number = UNSET
    observed_text: str
    """The same for people, with its unit; `no data` or `unknown` where there is no number."""
    message: str
    """Why it is unknown, or which window was the worst; empty where there is nothing to say."""

    @property
    def limit(self) -> float | None:
        """The limit, in whatever unit the rule has."""
        return _number(self, "limit_")

    @property
    def observed(self) -> float | None:
        """What was observed, in whatever unit the rule has; None where that is unknown."""
        return _number(self, "observed_")

    @property
    def without_data(self) -> bool:
        """Whether nothing was measured that it could be judged by; then it is not ok."""
        return self.observed_text == NO_DATA


class ValidityResult(msgspec.Struct, kw_only=True):
    """One rule on the generator: its limit, and what was observed.

    Each row has two numbers, `limit_UNIT` and `observed_UNIT`, in one unit of: `ms`, `percent`, `c` (degrees Celsius), `count`. Observed is
    null where nothing was measured, or it is unknown.
    """

    check: str
    op: Op
    ok: bool | None
    """Whether it holds; null where nobody can know, since no node has a sensor for it, and none is a Raspberry Pi, which should, or where
    a fault of piswarm's own kept it from being known."""
    limit_ms: float | UnsetType = UNSET
    limit_percent: float | UnsetType = UNSET
    limit_c: float | UnsetType = UNSET
    limit_count: float | UnsetType = UNSET
    observed_ms: Number = UNSET
    observed_percent: Number = UNSET
    observed_c: Number = UNSET
    observed_count: Number = UNSET
    limit_text: str
    """Limit and what was observed for people, with their units; `no data` or `unknown` where there is no number."""
    observed_text: str
    nodes: list[str]
    """The offenders by name, whether or not the fleet as a whole was fit."""
    message: str
    """Why it does not hold, or is unknown; empty where there is nothing to say."""
    fault: bool = False
    """Whether it is unknown by a fault of piswarm's own; then the verdict is not PASS."""

    @property
    def limit(self) -> float | None:
        """The limit, in whatever unit the check has."""
        return _number(self, "limit_")

    @property
    def observed(self) -> float | None:
        """What was observed, in whatever unit the check has; None where that is unknown."""
        return _number(self, "observed_")

    @property
    def without_data(self) -> bool:
        """Whether nothing was measured that it could be judged by; then it is not ok."""
        return self.observed_text == NO_DATA


def _number(row: msgspec.Struct, prefix: str) -> float | None:
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if name.startswith(prefix) and isinstance(value, int | float):
            return value
    return None
