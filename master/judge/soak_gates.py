"""What the verdict of a soak makes of the verdict of its run. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from master.judge.result.soak import Soak, SoakMetric
from master.judge.verdict import Verdict


def with_soak(verdict: Verdict, reason: str, soak: Soak | None) -> tuple[Verdict, str]:
    """The verdict and the reason of a run with those of its soak; None where nobody asked for any.

    As with other rules: what is wrong with the generator comes before what is wrong with the target, and a limit of which it is not
    known whether it holds is no PASS. A drift that the scenario does not limit is told, and changes no verdict.
    """
    if soak is None:
        return verdict, reason
    limited = [row for row in soak.metrics if row.limit_per_day is not None]
    broken = [row for row in limited if row.ok is False]
    unknown = [row for row in limited if row.ok is None]
    drifts_itself = any(row.of == "generator" for row in broken)
    if verdict in {Verdict.PASS, Verdict.FAIL} and drifts_itself:
        return Verdict.INVALID, _and(f"The generator drifted in this soak: {_said(broken)}", reason, verdict)
    if verdict is Verdict.PASS and broken:
        return Verdict.FAIL, f"Drift in this soak: {_said(broken)}"
    if verdict is Verdict.PASS and unknown:
        what = _said(unknown) if soak.blocks else soak.reason.removeprefix("unknown: ")
        return (
            Verdict.INVALID,
            f"It is not known whether anything drifted: {what}. Give the run more time, or wider limits",
        )
    return verdict, f"{reason.removesuffix('.')}. Soak: {soak.reason}"


def _said(rows: Sequence[SoakMetric]) -> str:
    return "; ".join(row.message for row in rows)


def _and(said: str, reason: str, verdict: Verdict) -> str:
    return f"{said}. Besides: {reason}" if verdict is Verdict.FAIL else said
