"""Checks and thresholds as rows of the page: those that are broken first, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from master import formatting
from master.judge.result import ThresholdResult, ValidityResult
from master.report.advice import check_advice, rule_advice


@dataclass(frozen=True)
class JudgedRow:
    """One check or threshold. `ok` is None where nobody knows whether it holds."""

    name: str
    ok: bool | None
    observed: str
    limit: str
    message: str
    advice: str
    without_data: bool
    nodes: Sequence[str] = field(default_factory=list)


def check_rows(checks: Iterable[ValidityResult]) -> list[JudgedRow]:
    """The checks of the generator."""
    return _broken_first(
        JudgedRow(
            row.check,
            row.ok,
            row.observed_text,
            row.limit_text,
            row.message,
            check_advice(row.check, row.ok, without_data=row.without_data, fault=row.fault),
            row.without_data,
            row.nodes,
        )
        for row in checks
    )


def rule_rows(rules: Iterable[ThresholdResult]) -> list[JudgedRow]:
    """The thresholds on the target."""
    return _broken_first(
        JudgedRow(
            row.rule,
            row.ok,
            row.observed_text,
            "",
            row.message,
            rule_advice(row.metric, row.ok, without_data=row.without_data),
            row.without_data,
        )
        for row in rules
    )


def summary(rows: Sequence[JudgedRow]) -> str:
    """How many hold: `14 checks held, 1 did not, of 1 it is unknown.`, or `All 16 checks held.`."""
    held = sum(row.ok is True for row in rows)
    broken = sum(row.ok is False for row in rows)
    unknown = len(rows) - held - broken
    if held == len(rows):
        return f"All {formatting.counted(held, 'check')} held." if held > 1 else "The one check held."
    said = [
        f"{formatting.counted(held, 'check')} held",
        *([f"{formatting.count(broken)} did not"] if broken else []),
        *([f"of {formatting.count(unknown)} it is unknown"] if unknown else []),
    ]
    return f"{', '.join(said)}."


def _broken_first(rows: Iterable[JudgedRow]) -> list[JudgedRow]:
    return sorted(rows, key=lambda row: (row.ok is not False, row.ok is not None))
