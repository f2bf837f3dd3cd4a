"""Outcomes of thresholds and validity checks as a result has them: with their limits, as numbers in their units. Pure."""

from __future__ import annotations

from typing import Any

from master.judge.generator.limits import CHECK_LIMITS
from master.judge.generator.validity import ValidityOutcome
from master.judge.result import Op, ThresholdResult, ValidityResult
from master.judge.target.thresholds import ThresholdOutcome
from master.scenario import Scenario

_OPS: dict[str, Op] = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "="}


def threshold_result(row: ThresholdOutcome) -> ThresholdResult:
    """One threshold."""
    rule = row.threshold
    # The fields that have the numbers are named by the unit.
    numbers: dict[str, Any] = {f"limit_{rule.unit}": rule.limit, f"observed_{rule.unit}": row.observed}
    return ThresholdResult(
        rule=rule.text,
        metric=rule.metric,
        method=rule.method,
        name=rule.name,
        window_s=rule.window_s,
        op=_OPS[rule.op],
        ok=row.ok,
        observed_text=row.observed_text,
        message=row.message,
        **numbers,
    )


def validity_result(row: ValidityOutcome, scenario: Scenario) -> ValidityResult:
    """One check, with its limit as `scenario` has it."""
    limit = CHECK_LIMITS[row.check]
    numbers: dict[str, Any] = {f"limit_{limit.unit}": limit.of(scenario), f"observed_{limit.unit}": row.observed_value}
    return ValidityResult(
        check=row.check,
        op=limit.op,
        ok=row.ok,
        limit_text=row.limit,
        observed_text=row.observed,
        nodes=list(row.nodes),
        message=row.message,
        fault=row.fault,
        **numbers,
    )
