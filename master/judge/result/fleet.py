"""The fleet in a result: how many nodes there were, which were not fit, whose clocks were off."""

from __future__ import annotations

import msgspec


class Nodes(msgspec.Struct, kw_only=True):
    """The fleet: how many nodes there were."""

    expected: int
    peak: int
    """The most that were ready at one time."""
    ready_s: float | None
    """How long it took from the start of the fleet until the load could begin; null when it never could."""
    lost: int
    """For good or for a time."""
    quarantined: int
    """For good or for a time."""
    simulated: bool
    thermal_speed: float = 1.0
    """How many times faster than real ones simulated boards warmed up and cooled down."""
    request_cpu_ms: float | None = None
    """CPU that a request was taken to cost on a Pi 4's core, on simulated nodes; null where it was what it cost here."""

    @property
    def simulation_assumptions(self) -> str:
        """What the scenario assumed of simulated nodes that does not hold for real ones, in words; empty when nothing."""
        said = []
        if self.simulated and self.thermal_speed != 1:
            said.append(f"boards warm up and cool down {self.thermal_speed:g} times as fast as real ones")
        if self.simulated and self.request_cpu_ms is not None:
            said.append(f"a request is taken to cost {self.request_cpu_ms:g} ms of a Pi 4's core")
        return ", and ".join(said)


class Excluded(msgspec.Struct, kw_only=True):
    """A node that was not fit to measure for some of the steady part: when, why, and how many requests were excluded for it."""

    node: str
    unfit_s: int
    """Seconds of the steady part."""
    requests: int
    reasons_s: dict[str, int]
    """Seconds by reason; one second may have several."""
    spans_s: list[tuple[int, int]]
    """The seconds of the run, each span from its first to the one after its last; the first few spans."""
    further_spans: int


class ClockOffset(msgspec.Struct, kw_only=True):
    """A node whose wall clock was off by more than a second at the end, positive when ahead. No figure depends on it."""

    node: str
    offset_s: float
