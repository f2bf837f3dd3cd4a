"""Whether the generator offered the open model's arrivals as they were due. Pure."""

from __future__ import annotations

from master.judge.generator.validity import ValidityOutcome
from master.judge.offered_load import OfferedLoad
from master.scenario.units import format_latency, format_percent, rounded


def check_arrivals(max_percent: float, load: OfferedLoad) -> ValidityOutcome:
    """The check `arrivals`: no larger share of those due in the steady part was started late, or not at all, by the generator's fault.

    Nor was a larger one of those due in the holds lost. What no user of a fit worker was free for is the target's, and no part of it.
    """
    limit, offered, missed = f"≤ {format_percent(max_percent)}", load.steady.offered, load.generator_missed
    if not offered or missed is None:
        message = "no data: it is not known how many arrivals were due in the steady part"
        return ValidityOutcome("arrivals", limit, "no data", None, ok=False, message=message)
    started = load.steady.all.both
    share = 100 * (started.late + missed) / offered
    # Where a controller stood still nothing is judged, but what it should have dealt was not offered to the target.
    held, lost = load.holds.offered or offered, load.hold_lost or 0
    of_holds = share <= max_percent < 100 * lost / held
    share = 100 * lost / held if of_holds else share
    ok = share <= max_percent
    text = format_percent(rounded(share, lambda short: short <= max_percent))
    why = _why_lost(held, lost, text, limit) if of_holds else _why(load, text, limit)
    return ValidityOutcome("arrivals", limit, text, share, ok=ok, message="" if ok else why)


def _why_lost(held: int, lost: int, share: str, limit: str) -> str:
    above = limit.removeprefix("≤ ")
    return (
        f"arrivals: of {held} that were due in the holds, {share} were not offered, above {above}: {lost} lost, also while "
        "the controller did nothing, or with workers that never reported them"
    )


def _why(load: OfferedLoad, share: str, limit: str) -> str:
    arrivals, lost = load.steady.all, load.steady_lost or 0
    tally = arrivals.both
    p99_ms = tally.lateness.percentile(99)
    late = f"{tally.late} started late"
    if p99_ms is not None:
        late += f" (p99 of all {format_latency(float(f'{p99_ms:.3g}'))})"
    said = [
        text
        for number, text in (
            (tally.late, late),
            (tally.given_up, f"{tally.given_up} given up by workers that were far behind"),
            (arrivals.unfit.missed, f"{arrivals.unfit.missed} missed by workers that were not fit"),
            (lost, f"{lost} lost with workers that never reported them"),
        )
        if number
    ]
    above = limit.removeprefix("≤ ")
    return f"arrivals: of {load.steady.offered} that were due in the holds, {share} were late or not started by the generator's fault, above {above}: {', '.join(said)}"
