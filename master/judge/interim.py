"""How a run stands while it is on: its thresholds and the checks of its generator so far, and what they would come to. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from master.judge.generator.validity import ValidityOutcome
from master.judge.target.thresholds import ThresholdOutcome
from master.judge.verdict import Verdict, decide

INTERIM_KEY = "interim"
"""The key in `meta` of run.db under which a controller keeps it."""


class InterimRule(msgspec.Struct, frozen=True):
    """One threshold or check so far; `observed` is in its base unit, null without data, as is `ok` where it can't be told yet."""

    rule: str
    observed: float | None
    observed_text: str
    ok: bool | None
    message: str


class Interim(msgspec.Struct, frozen=True):
    """How a run stands. `verdict` is what it would come to if it ended now: PASS, FAIL or INVALID; null before anything is judged.

    Checks that are only possible over a whole run are not among them, so that the verdict at its end may be another one.
    """

    before_s: int
    """Seconds before this one are judged."""
    verdict: str | None
    reason: str
    """Which thresholds and checks are broken so far; empty while none is."""
    thresholds: list[InterimRule]
    validity: list[InterimRule]
    left_s: float | None = None
    """How long the load will be on still, by plan; null where only its shape knows."""


def interim_of(
    before_s: int, judged_s: int, thresholds: Iterable[ThresholdOutcome], validity: Iterable[ValidityOutcome]
) -> Interim:
    """How a run stands of which `judged_s` seconds are judged, up to `before_s`."""
    thresholds, validity = list(thresholds), list(validity)
    rules = [
        InterimRule(row.rule, row.observed, row.observed_text, _known(row.observed, ok=row.ok), row.message)
        for row in thresholds
    ]
    checks = [
        InterimRule(row.check, row.observed_value, row.observed, _known(row.observed_value, ok=row.ok), row.message)
        for row in validity
    ]
    seen = [row for row in thresholds if row.observed is not None]
    fit = [row for row in validity if row.observed_value is not None]
    verdict = decide(seen, fit) if judged_s and fit else None
    if verdict is Verdict.INVALID and not any(row.unfit for row in fit):
        verdict = Verdict.PASS  # a threshold of which nothing is known yet
    broken = [f"{row.rule} ({row.message or row.observed_text})" for row in [*rules, *checks] if row.ok is False]
    return Interim(before_s, None if verdict is None else verdict.value, "; ".join(broken), rules, checks)


def _known(observed: float | None, *, ok: bool | None) -> bool | None:
    """What has no data yet is not broken, as it would be at the end of the run."""
    return None if observed is None else ok
