"""The interface of all probes of a Pi's firmware."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from worker.telemetry.conditions import ALL, UNKNOWN, pack_flags


class Firmware(NamedTuple):
    """The state of a Pi by its firmware; None, or an unknown flag, for what is unknown."""

    conditions: int = UNKNOWN
    """Condition flags now (worker/telemetry/conditions.py)."""
    occurred: int | None = None
    """The active bits of any time since they were last cleared, by whomever."""
    clock_hz: float | None = None
    """The measured clock of the Arm cores."""
    temperature_c: float | None = None
    """Temperature of the SoC."""


class ProbeError(Exception):
    """Raised when a probe does not work; the message says why."""


class Probe(Protocol):
    """One way to read the firmware's state."""

    def read(self, now_s: float) -> Firmware | None:
        """The firmware's state; None while an answer is awaited. Never blocks. Raises ProbeError."""

    def close(self) -> None:
        """Close what is open; the next `read` opens it again."""


def from_throttled(value: int) -> tuple[int, int]:
    """Condition flags now, and the bits that have occurred, from the word of `get_throttled`."""
    return pack_flags(value), value >> 16 & ALL


def plausible_c(value_c: float) -> float | None:
    """`value_c` if it is a possible temperature of an SoC, else None."""
    return value_c if -60.0 <= value_c <= 200.0 else None


def plausible_hz(value_hz: float) -> float | None:
    """`value_hz` if it is a possible clock of an Arm core, else None."""
    return value_hz if 1e7 <= value_hz <= 1e10 else None
