"""Which nodes had a throttling flag, which flag and for how long, and which of all nodes a reader is shown first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from master import formatting
from master.report.fleet import FleetMap, NodeTrack
from worker.telemetry.conditions import THROTTLED
from worker.telemetry.facts import UNKNOWN

MAX_SHOWN = 6
"""Nodes drawn together; more lines than that can't be distinguished."""


@dataclass(frozen=True)
class ThrottlingRow:
    """One node of the table, in words."""

    node: str
    model: str
    seconds: list[str]
    """How long each of formatting.CONDITIONS was active, or that it is not known."""
    highest: str
    lowest_clock: str
    users: list[str]
    """At the beginning of the steady part, the fewest in it, at its end."""


def flagged_nodes(fleet: FleetMap) -> list[NodeTrack]:
    """The nodes with any active condition, or that reached the temperature at which the firmware throttles; the worst first."""
    found = [track for track in fleet.tracks if track.flagged or track.hot]
    return sorted(found, key=lambda track: (-track.flagged, -track.hot, formatting.natural(track.name)))


def throttling_row(track: NodeTrack, period_s: int) -> ThrottlingRow:
    """What the table says of one node, whose samples each stand for `period_s`."""
    return ThrottlingRow(
        track.name,
        track.model,
        [
            seconds_text(track.active(which), track.unknown(which), track.samples, period_s)
            for which in formatting.CONDITIONS
        ],
        UNKNOWN if track.highest_c is None else f"{track.highest_c:.1f}\u00a0°C",
        _clock_text(track),
        [
            UNKNOWN if users is None else formatting.count(users)
            for users in (track.users_first, track.users_fewest, track.users_last)
        ],
    )


def seconds_text(active: int, unknown: int, samples: int, period_s: int) -> str:
    """How long a condition was active, as far as it is known: `12 s`, `12 s, unknown for 30 s`, `unknown`."""
    if unknown == samples:
        return UNKNOWN
    text = formatting.duration(active * period_s)
    return f"{text}, {UNKNOWN} for {formatting.duration(unknown * period_s)}" if unknown else text


def throttling_unknown(fleet: FleetMap) -> tuple[list[str], list[str]]:
    """The nodes of which it was never known whether they were throttled, and those of which it was not always."""
    never = [track.name for track in fleet.tracks if track.unknown(THROTTLED) == track.samples]
    at_times = [track.name for track in fleet.tracks if 0 < track.unknown(THROTTLED) < track.samples]
    return never, at_times


def shown_first(fleet: FleetMap, unfit_s: Mapping[str, int]) -> list[int]:
    """The rows of the nodes to draw first: those throttled, hot or unfit the longest, and one that stayed fit.

    `unfit_s` has the seconds that nodes were unfit, by name. The one to compare with is of the worst one's model where there
    is such a node; where none was in trouble, the warmest are shown.
    """

    def trouble_s(index: int) -> int:
        track = fleet.tracks[index]
        return max(fleet.period_s * max(track.flagged, track.hot), unfit_s.get(track.name, 0))

    def warmth_c(index: int) -> float:
        return fleet.tracks[index].highest_c or 0.0

    everyone = [index for index, track in enumerate(fleet.tracks) if track.samples]
    troubled = sorted(filter(trouble_s, everyone), key=lambda index: (-trouble_s(index), -warmth_c(index)))
    shown = troubled[: MAX_SHOWN - 1] or sorted(everyone, key=lambda index: -warmth_c(index))[:2]
    model = fleet.tracks[shown[0]].model if shown else ""
    others = [index for index in everyone if not trouble_s(index) and index not in shown]
    # The warmest of those that stayed fit: it was near the same air and load, and bore it.
    others.sort(key=lambda index: (fleet.tracks[index].model != model, -warmth_c(index)))
    return shown + others[:1]


def _clock_text(track: NodeTrack) -> str:
    if track.lowest_hz is None or not track.full_hz:
        return UNKNOWN
    return f"{formatting.frequency(track.lowest_hz)} ({round(100 * track.lowest_hz / track.full_hz)}\u00a0%)"
