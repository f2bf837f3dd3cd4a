"""What the samples of a window say together, and what they would mean on a Pi. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from worker.telemetry.pi.models import PI_MODELS

UNSURE = 0.3
"""By so much may the factor from this machine's core to a Pi's be off (worker/telemetry/pi/models.py)."""
GOAL_PERCENT = 0.5
GOAL_BYTES = 30_000_000


class Sampled(NamedTuple):
    """A sample that came: its slot, when that was due, and when the agent took it and it was received."""

    number: int
    due_s: float
    sent_s: float
    received_s: float


@dataclass(frozen=True, slots=True)
class Window:
    """A span of samples under one load."""

    load: str
    samples: int
    missing: int
    """Slots of the schedule for which no sample came."""
    cpu_s_per_sample: float
    """CPU time of the agent's process, user's and kernel's, for all that it does in a period."""
    instructions_per_sample: float | None
    late_median_ms: float
    """How late samples were taken, against the schedule."""
    late_max_ms: float
    rss_bytes: int
    pss_bytes: int
    """With what it shares with other processes divided among them."""


@dataclass(frozen=True, slots=True)
class OnBoard:
    """What the agent would take of one core of a board, in percent, and the ends of what is likely."""

    board: str
    percent: float
    least: float
    most: float


def lateness(samples: Sequence[Sampled]) -> tuple[float, float]:
    """The median and the largest lateness, in ms."""
    late_ms = [1000 * (each.sent_s - each.due_s) for each in samples]
    return median(late_ms), max(late_ms)


def missing(samples: Sequence[Sampled]) -> int:
    """Gaps in the numbers."""
    numbers = [each.number for each in samples]
    return max(numbers) - min(numbers) + 1 - len(set(numbers))


def on_boards(cpu_s_per_sample: float, period_s: float) -> list[OnBoard]:
    """By the factors in worker/telemetry/pi/models.py."""
    found = []
    for board in PI_MODELS.values():
        percent = 100 * cpu_s_per_sample * board.cpu_s_per_x86_cpu_s / period_s
        found.append(OnBoard(board.model, percent, percent * (1 - UNSURE), percent * (1 + UNSURE)))
    return found
