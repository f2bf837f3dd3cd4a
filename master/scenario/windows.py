"""Check that a load is one that can be judged: by the length of its holds, and by what its rules ask for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from master.scenario.load_stages import LoadStage, OpenStage, ramps_s
from master.scenario.rules import Threshold
from master.scenario.units import MAX_DURATION_S, format_duration, format_rate

DEFAULT_SAMPLE_PERIOD_S = 1.0
EDGES_S = 2.2
"""What of a hold may not be judged: 0.6 s at either end, by which a node's seconds may reach beyond the run's, and one more, since
only whole seconds are."""
_SAMPLES_EDGES_S = 1.3
"""What of a hold counts for no sample that is due: 0.6 s at either end, and what its length may differ from the plan."""


_ROUNDING = 1 + 1e-9
"""Rates and limits that were scaled by the same factor are as equal as before to this."""


def shortest_hold_s(sample_period_s: float) -> float:
    """The length of a hold that is sure to have a second that is judged, and a sample of each node that is due.

    Of the samples that fit into the judged part of a hold two may be missing, one at either end, and no more than that are due.
    """
    return max(EDGES_S + 1, _SAMPLES_EDGES_S + 3 * sample_period_s)


def find_ramp_fault(stages: Sequence[LoadStage]) -> str | None:
    """Why the ramps of `stages` take longer than any run may; None when they don't."""
    ramp_s = sum(ramps_s(stages))
    if ramp_s <= MAX_DURATION_S:
        return None
    return f"the ramps take {ramp_s / 86400:.3g} days, more than the {MAX_DURATION_S / 86400:.0f} that a run may"


def find_hold_fault(stages: Sequence[LoadStage], sample_period_s: float) -> str | None:
    """Why a run of `stages` might have nothing to judge; None when it is sure to have."""
    longest_s, shortest_s = _longest_hold_s(stages), shortest_hold_s(sample_period_s)
    if round(longest_s - shortest_s, 6) >= 0:
        return None
    held = "arrivals" if isinstance(stages[0], OpenStage) else "users"
    return (
        f"too short to be judged: a hold of {held} needs at least {format_duration(round(shortest_s, 3))} "
        f"with samples every {format_duration(sample_period_s)}; the longest is {format_duration(round(longest_s, 3))}"
    )


def find_window_fault(rule: Threshold, stages: Sequence[LoadStage]) -> str | None:
    """Why no hold of `stages` is sure to be long enough for the window of `rule`; None when one is, or there is no window.

    Windows don't reach over ramps, and what is held without users or arrivals is not judged.
    """
    longest_s = _longest_hold_s(stages)
    if rule.window_s is None or round(longest_s - EDGES_S, 6) >= rule.window_s:
        return None
    needed = format_duration(rule.window_s + EDGES_S)
    longest = format_duration(round(longest_s, 3))
    return (
        f"{rule.text!r} needs a hold of {needed}, since not all of its edges is judged; the longest hold is {longest}"
    )


def find_rate_fault(rule: Threshold, stages: Sequence[LoadStage]) -> str | None:
    """Why `rule` can't hold whatever the target does, since `stages` never offer so many arrivals; None when it can.

    Of a closed load, that the rule has no meaning there is told in its stead.
    """
    peaks_per_s = [stage.peak_per_s for stage in stages if isinstance(stage, OpenStage)]
    if not peaks_per_s:
        return None
    peak_per_s = max(peaks_per_s)
    if rule.metric != "arrival_rate" or rule.op.startswith("<") or rule.limit <= peak_per_s * _ROUNDING:
        return None
    return f"{rule.text!r} can't hold: the load offers {format_rate(peak_per_s)} at most"


def _longest_hold_s(stages: Sequence[LoadStage]) -> float:
    return max((stage.hold_s for stage in stages if stage.has_load), default=0.0)
