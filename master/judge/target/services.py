"""Judging the services that a scenario requires: each must have been healthy as long as the load was on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from master.judge.target.thresholds import ThresholdOutcome
from master.scenario.rules import SERVICE_LOST, Threshold
from master.scenario.units import format_duration
from master.services.health.losses import Loss

_SHOWN = 3  # losses of a service that are told one by one


def service_outcomes(
    required: Sequence[str], losses: Sequence[Loss] | None, duration_s: float
) -> list[ThresholdOutcome]:
    """One outcome for each service that is `required`; `losses` is None where they were not watched.

    What is observed is for how many seconds it was lost; one that did not come back was lost up to `duration_s`.
    """
    return [_outcome(name, losses, duration_s) for name in required]


def lost_text(outcomes: Sequence[ThresholdOutcome]) -> str:
    """The services that were lost, for a reason that does not tell of broken rules; empty where none was."""
    lost = [row.message for row in outcomes if row.ok is False]
    return f"A required service was lost: {'; '.join(lost)}" if lost else ""


def _outcome(name: str, losses: Sequence[Loss] | None, duration_s: float) -> ThresholdOutcome:
    rule = Threshold(f"require {name}", None, None, SERVICE_LOST, "=", 0.0)
    if losses is None:
        return ThresholdOutcome(rule, None, "-", None, "it was not watched")
    own = [loss for loss in losses if loss.service == name]
    if not own:
        return ThresholdOutcome(rule, 0.0, "healthy throughout", True)
    lost_s = round(sum(max(0.0, (duration_s if loss.to_s is None else loss.to_s) - loss.from_s) for loss in own), 1)
    told = [_told(loss) for loss in own[:_SHOWN]]
    if len(own) > _SHOWN:
        told.append(f"and {len(own) - _SHOWN} times more")
    return ThresholdOutcome(rule, lost_s, f"lost for {format_duration(lost_s)}", False, "; ".join(told))


def _told(loss: Loss) -> str:
    since = f"{loss.detail} was lost at {format_duration(round(loss.from_s, 1))}"
    return (
        f"{since}, to the end" if loss.to_s is None else f"{since}, and back at {format_duration(round(loss.to_s, 1))}"
    )
