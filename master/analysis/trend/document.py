"""A trend as data, and as JSON: schema `piswarm/trend/1`. What is null is unknown."""

from __future__ import annotations

import msgspec

from master.judge.result import Floors

SCHEMA = "piswarm/trend/1"


class TrendRun(msgspec.Struct, kw_only=True):
    """A run that was looked at. What is null can't be read."""

    name: str
    directory: str
    started_at: str | None
    """Wall clock, ISO 8601 with offset."""
    verdict: str | None
    left_out: str | None
    """Why it is not part of the trend; null where it is."""
    notes: list[str]
    """What else is other than in the run that the others are held against; it is part of the trend all the same."""


class Change(msgspec.Struct, kw_only=True):
    """A change of level from one run on. Levels, and the difference with its interval of 95 %, are in the unit of the series."""

    run: int
    """The first run behind it, by its place in `runs`."""
    before: float
    after: float
    difference: float
    difference_low: float
    difference_high: float
    relative: float | None
    """`after / before - 1`; null of errors, which are a share already."""
    relative_low: float | None
    relative_high: float | None
    outcome: str
    """`better` or `worse`."""
    p_value: float
    """Of this change alone. Which changes are named is decided over all series: see `false_discovery_rate`."""


class Series(msgspec.Struct, kw_only=True):
    """One metric of one endpoint, or of all requests together: then `method` and `name` are null."""

    method: str | None
    name: str | None
    metric: str
    """With its unit: rate_per_s, errors_share (0 to 1), p50_ms, …"""
    values: list[float | None]
    """One for each of `runs`; null where it is left out, or measured nothing of this."""
    level: float | None
    """The mean since the last change, outliers drawn in."""
    changes: list[Change]

    @property
    def label(self) -> str:
        """Of what it is."""
        return "all requests" if self.method is None else f"{self.method} {self.name}".strip()


class Trend(msgspec.Struct, kw_only=True):
    """Every metric of every endpoint over runs of one scenario, in order of time."""

    schema: str = SCHEMA
    scenario: str
    like: str
    """The name of the run that the others are held against."""
    floors: Floors
    """Smaller changes are not named."""
    false_discovery_rate: float
    """The share of changes named by chance, at most, and where nothing has changed the chance that any is."""
    min_runs: int
    """A series of fewer values has no changes."""
    runs: list[TrendRun]
    """In order of time; those of which it is not known come first."""
    series: list[Series]
    """All requests together first, then endpoints by name."""

    @property
    def used(self) -> int:
        """How many runs are part of the trend."""
        return sum(run.left_out is None for run in self.runs)
