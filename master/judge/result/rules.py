"""The rules in a result: thresholds on the target, validity checks on the generator."""

from __future__ import annotations

import msgspec

NO_DATA = "no data"
"""What is observed of a check where nothing was measured."""


class ThresholdResult(msgspec.Struct, kw_only=True):
    """One rule on the target: `observed` in base units (ms, share, 1/s), `observed_text` as people read it.

    `ok` is null where it is unknown whether the rule holds; `message` says why.
    """

    rule: str
    observed: float | None
    observed_text: str
    ok: bool | None
    message: str

    @property
    def without_data(self) -> bool:
        """Whether nothing was measured that it could be judged by; then it is not ok."""
        return self.observed_text == NO_DATA


class ValidityResult(msgspec.Struct, kw_only=True):
    """One rule on the generator; `nodes` are the offenders by name, whether or not the fleet as a whole was fit.

    `ok` is null where nobody can know, since no node has a sensor for it, and none is a Raspberry Pi, which should; or where
    a fault of piswarm's own kept it from being known.
    """

    check: str
    limit: str
    observed: str
    ok: bool | None
    nodes: list[str]
    message: str
    fault: bool = False
    """Whether it is unknown by a fault of piswarm's own; then the verdict is not PASS."""

    @property
    def without_data(self) -> bool:
        """Whether nothing was measured that it could be judged by; then it is not ok."""
        return self.observed == NO_DATA
