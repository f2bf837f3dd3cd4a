"""Every node over time, as columns short enough to draw: heat, load, clock and users, and its throttling flags.

A column shows what a reader looks for: the highest temperature and CPU in it, the lowest clock, the fewest users, and
conditions that held at any moment of it. None is unknown, which stays apart from zero and from well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Self

from master.formatting import natural
from master.report.series import Axis, Spans, Values, rounded
from master.store import CONTROLLER, SampleGroup, StoreReader
from worker.telemetry.conditions import ALL, flag_state, is_active, merge_flags
from worker.telemetry.facts import UNKNOWN
from worker.telemetry.pi.models import THROTTLE_FROM_C
from worker.wire.messages import Facts

MAX_COLUMNS = 600
"""Columns of a heat map; with 500 nodes that is 300 000 cells, 1.6 MB of report at most for each map."""

EDGE_S = 3
"""The users at the beginning and at the end of the steady part are the fewest of so many seconds there."""
LATE_REPORT_S = 3
"""What a worker reports of users is of the moment when it reports, up to 3 s after a second: of the last ones it says too few."""


@dataclass
class NodeTrack:
    """One node over time, a value per column, with how long each throttling flag was set and its extremes."""

    name: str
    facts: Facts | None
    temperature_c: Values
    cpu_percent: Values
    clock_hz: Values
    users: Values
    conditions: list[int | None]
    """As in worker.telemetry.conditions; None where there is no sample."""
    samples: int = 0
    hot: int = 0
    """Samples at 80 °C or above."""
    samples_by_flags: Counter[int] = field(default_factory=Counter)
    """Samples by their conditions."""
    highest_c: float | None = None
    lowest_hz: float | None = None
    highest_hz: float | None = None
    full_hz: float | None = None
    """The highest clock that any node of its model showed."""
    users_first: int | None = None
    """Users at the beginning of the steady part; and the fewest in it, and those at its end."""
    users_fewest: int | None = None
    users_last: int | None = None

    @classmethod
    def blank(cls, name: str, facts: Facts | None, length: int) -> Self:
        """A node of which nothing is known over time."""
        heat, load, clock, users = (list[float | None]([None]) * length for _ in range(4))
        return cls(name, facts, heat, load, clock, users, [None] * length)

    @property
    def model(self) -> str:
        """Its board."""
        return self.facts.model if self.facts else UNKNOWN

    @property
    def clock_percent(self) -> Values:
        """Its clock as a share of the highest that any node of its model showed."""
        full_hz = self.full_hz
        return [None if hz is None or not full_hz else round(100 * hz / full_hz) for hz in self.clock_hz]

    @property
    def flagged(self) -> int:
        """Samples in which any of the conditions was active."""
        return sum(often for flags, often in self.samples_by_flags.items() if is_active(flags, ALL))

    def active(self, which: int) -> int:
        """Samples in which the condition `which` was active."""
        return sum(often for flags, often in self.samples_by_flags.items() if flag_state(flags, which))

    def unknown(self, which: int) -> int:
        """Samples in which it was not known whether it was."""
        return sum(often for flags, often in self.samples_by_flags.items() if flag_state(flags, which) is None)

    def add(self, index: int, group: SampleGroup) -> None:
        """Take in samples of one column."""
        _, conditions, samples, hot, highest_c, cpu_percent, lowest_hz, highest_hz = group
        before = self.conditions[index]
        if before != conditions:
            self.conditions[index] = conditions if before is None else merge_flags(before, conditions)
        self.temperature_c[index] = _max(self.temperature_c[index], highest_c)
        self.cpu_percent[index] = _max(self.cpu_percent[index], cpu_percent)
        self.clock_hz[index] = _min(self.clock_hz[index], lowest_hz)
        self.samples += samples
        self.hot += hot
        self.samples_by_flags[conditions] += samples
        self.highest_c = _max(self.highest_c, highest_c)
        self.lowest_hz = _min(self.lowest_hz, lowest_hz)
        self.highest_hz = _max(self.highest_hz, highest_hz)

    def add_users(self, index: int, users: int, *, steady: bool) -> None:
        """Take in the fewest users in a part of one column."""
        self.users[index] = _min(self.users[index], users)
        if steady:
            self.users_fewest = users if self.users_fewest is None else min(users, self.users_fewest)


@dataclass
class FleetMap:
    """All nodes, sorted by name, on one axis; a sample is due every `period_s`."""

    axis: Axis
    period_s: int
    tracks: list[NodeTrack]

    @property
    def nodes(self) -> list[str]:
        """The nodes' names."""
        return [track.name for track in self.tracks]

    @property
    def temperature_c(self) -> list[Values]:
        """Rows of °C."""
        return [[rounded(value, 1) for value in track.temperature_c] for track in self.tracks]

    @property
    def cpu_percent(self) -> list[Values]:
        """Rows of percent of all cores together."""
        return [[rounded(value) for value in track.cpu_percent] for track in self.tracks]

    @property
    def clock_percent(self) -> list[Values]:
        """Rows of percent of the highest clock of each node's model."""
        return [track.clock_percent for track in self.tracks]

    @property
    def users(self) -> list[Values]:
        """Rows of users."""
        return [track.users for track in self.tracks]

    @property
    def empty_cells(self) -> int:
        """Cells of the map without any sample."""
        return sum(track.conditions.count(None) for track in self.tracks)

    @property
    def unknown_temperatures(self) -> int:
        """Cells that have a sample, but none that knew its temperature."""
        return sum(track.temperature_c.count(None) for track in self.tracks) - self.empty_cells

    @property
    def has_samples(self) -> bool:
        """Whether there is any sample."""
        return any(track.samples for track in self.tracks)

    @property
    def has_temperature(self) -> bool:
        """Whether any node knew its temperature."""
        return any(track.highest_c is not None for track in self.tracks)

    @property
    def has_clock(self) -> bool:
        """Whether any node knew its clock."""
        return any(track.full_hz for track in self.tracks)

    @property
    def has_users(self) -> bool:
        """Whether any node ran users."""
        return any(value for track in self.tracks for value in track.users)


def fleet_map(store: StoreReader, start_s: int, end_s: int, steady: Spans = ()) -> FleetMap:
    """Read what is known of all nodes within [start_s, end_s), of which `steady` are the parts that were held steady."""
    period_s = store.sample_period_s()
    axis = Axis.of(start_s, end_s, MAX_COLUMNS, period_s)
    facts = store.nodes()
    names = sorted(set(facts) - {CONTROLLER}, key=natural)
    tracks = {name: NodeTrack.blank(name, facts[name], axis.length) for name in names}
    for index in range(axis.length):
        first_s = start_s + index * axis.step_s
        last_s = min(first_s + axis.step_s, end_s)
        for group in store.sample_groups(first_s, last_s, hot_c=THROTTLE_FROM_C):
            if group.node in tracks:
                tracks[group.node].add(index, group)
    steady = [(first_s, max(first_s + 1, last_s - LATE_REPORT_S)) for first_s, last_s in steady]
    for index, first_s, last_s, is_steady in _pieces(axis, steady):
        for name, users in store.fewest_users(first_s, last_s):
            if name in tracks:
                tracks[name].add_users(index, users, steady=is_steady)
    if steady:
        (first_s, first_end_s), (last_s, last_end_s) = steady[0], steady[-1]
        for name, users in store.fewest_users(first_s, min(first_s + EDGE_S, first_end_s)):
            tracks[name].users_first = users
        for name, users in store.fewest_users(max(last_s, last_end_s - EDGE_S), last_end_s):
            tracks[name].users_last = users
    _find_full_clocks(tracks.values())
    return FleetMap(axis, period_s, [*tracks.values()])


def _find_full_clocks(tracks: Iterable[NodeTrack]) -> None:
    """By model: a node that was slowed down all the time does not show what it could do."""
    for _, group in groupby(sorted(tracks, key=lambda track: track.model), key=lambda track: track.model):
        alike = list(group)
        full_hz = max((track.highest_hz for track in alike if track.highest_hz is not None), default=None)
        for track in alike:
            track.full_hz = full_hz


def _pieces(axis: Axis, steady: Spans) -> Iterator[tuple[int, int, int, bool]]:
    """The columns, cut where the steady part begins or ends: index, first second, end, whether it was steady."""
    edges = sorted({edge for span in steady for edge in span})
    for index in range(axis.length):
        first_s = axis.start_s + index * axis.step_s
        end_s = first_s + axis.seconds_in(index)
        cuts = [first_s, *(edge for edge in edges if first_s < edge < end_s), end_s]
        for from_s, to_s in pairwise(cuts):
            yield index, from_s, to_s, any(start_s <= from_s and to_s <= stop_s for start_s, stop_s in steady)


def _max(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)


def _min(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)
