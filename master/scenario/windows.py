"""Check that the holds of a run are long enough for rules with a window. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from master.scenario.model import Stage
from master.scenario.rules import Threshold
from master.scenario.units import format_duration

EDGES_S = 2.2
"""What of a hold may not be judged: 0.6 s at either end, by which a node's seconds may reach beyond the run's, and one more, since
only whole seconds are."""


def find_window_fault(rule: Threshold, stages: Iterable[Stage]) -> str | None:
    """Why no hold of `stages` is sure to be long enough for the window of `rule`; None when one is, or there is no window.

    Windows don't reach over ramps, and what is held without users is not judged.
    """
    longest_s = max((stage.hold_s for stage in stages if stage.users), default=0.0)
    if rule.window_s is None or round(longest_s - EDGES_S, 6) >= rule.window_s:
        return None
    needed = format_duration(rule.window_s + EDGES_S)
    longest = format_duration(round(longest_s, 3))
    return (
        f"{rule.text!r} needs a hold of {needed}, since not all of its edges is judged; the longest hold is {longest}"
    )
