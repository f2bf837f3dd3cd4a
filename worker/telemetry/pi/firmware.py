"""What every way of asking a Pi's firmware yields, and how it says that it could not."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from worker.telemetry.conditions import ALL, UNKNOWN, pack_flags


class Firmware(NamedTuple):
    """One answer; what is unknown is None, or an unknown condition."""

    conditions: int = UNKNOWN
    """Those of now (worker/telemetry/conditions.py)."""
    occurred: int | None = None
    """The same four bits as they were at any time since someone last had them cleared."""
    clock_hz: float | None = None
    """The true clock of the Arm cores, measured."""
    temperature_c: float | None = None
    """Of the SoC."""


class ProbeError(Exception):
    """A way of asking did not work; says why."""


class Probe(Protocol):
    """One way of asking."""

    def read(self, now_s: float) -> Firmware | None:
        """What the firmware says; None while an answer is awaited. Never waits itself. Raises ProbeError."""

    def close(self) -> None:
        """Let go of what is open. It can be asked again all the same."""


def from_throttled(value: int) -> tuple[int, int]:
    """The conditions of now, and those that have occurred, from the word that `get_throttled` gives."""
    return pack_flags(value), value >> 16 & ALL


def plausible_c(value_c: float) -> float | None:
    """A temperature that an SoC can have; None for what is none."""
    return value_c if -60.0 <= value_c <= 200.0 else None


def plausible_hz(value_hz: float) -> float | None:
    """A clock that an Arm core can run at; None for what is none."""
    return value_hz if 1e7 <= value_hz <= 1e10 else None
