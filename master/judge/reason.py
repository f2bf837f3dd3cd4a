"""Why a run's verdict is what it is, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from master.judge.generator.validity import ValidityOutcome
from master.judge.target.thresholds import ThresholdOutcome
from master.judge.verdict import Verdict

_OF_LATENCIES = ("latency_error", "doubtful_thresholds")
"""Without these, what thresholds on latencies come to says nothing."""


def reason_for(
    verdict: Verdict,
    thresholds: Sequence[ThresholdOutcome],
    validity: Sequence[ValidityOutcome],
    aborted: str | None,
    faults: Sequence[str] = (),
    *,
    unanswered: str = "",
    lost: str = "",
) -> str:
    """The sentence; `aborted` and `faults` are why the run ended before its time, and what could not be worked out of it.

    `unanswered` tells of requests that got no answer, of which a broken threshold may be the consequence, and `lost` of
    required services that were lost, which a reason that tells of no threshold would pass over.
    """
    match verdict:
        case Verdict.ABORTED:
            return _with(aborted or "", lost)
        case Verdict.INVALID:
            return _with(_invalid(thresholds, validity, faults), lost)
        case Verdict.FAIL:
            return _fail(thresholds, validity, unanswered)
        case Verdict.PASS:
            return "Every threshold held, and the generator was fit to measure it."


def _with(said: str, more: str) -> str:
    return f"{said.removesuffix('.')}. {more}" if said and more else said or more


def _invalid(thresholds: Sequence[ThresholdOutcome], validity: Sequence[ValidityOutcome], faults: Sequence[str]) -> str:
    said = []
    unfit = _grouped([row for row in validity if row.ok is False])
    if unfit:
        said.append("The generator was not fit to measure: " + "; ".join(unfit))
    elif all(row.ok is None and not row.fault for row in validity):
        said.append("Nothing is known of whether the generator was fit to measure")
    unknown = [row.message for row in validity if row.fault] + list(faults)
    if not unfit:
        unknown += [f"{row.rule} ({row.message})" for row in thresholds if row.ok is None]
    if unknown:
        said.append("It is not known whether the target was good enough: " + "; ".join(unknown))
    return ". ".join(said)


def _grouped(rows: Sequence[ValidityOutcome]) -> list[str]:
    """Their messages, each once: where one cause is said of several checks, their names stand before it."""
    checks_by_text: dict[str, list[str]] = {}
    for row in rows:
        named, text = f"{row.check}: ", row.message
        checks = checks_by_text.setdefault(text.removeprefix(named), [])
        if text.startswith(named):
            checks.append(row.check)
    return [f"{', '.join(checks)}: {text}" if checks else text for text, checks in checks_by_text.items()]


def _fail(thresholds: Sequence[ThresholdOutcome], validity: Sequence[ValidityOutcome], unanswered: str) -> str:
    besides = [row.message for row in validity if row.unfit]
    doubtful = any(row.unfit and row.check in _OF_LATENCIES for row in validity)
    broken = [row for row in thresholds if row.ok is False and not (doubtful and row.on_latency)]
    said = "Broken: " + "; ".join(f"{row.rule} ({row.message or row.observed_text})" for row in broken)
    if unanswered:
        said += f". {unanswered}"
    return f"{said}. The generator, besides: {'; '.join(besides)}" if besides else said
