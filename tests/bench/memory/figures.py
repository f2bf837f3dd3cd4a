"""What a day's hours say together. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

SETTLED_H = 2
"""From this hour on memory is judged: whatever is kept of the latest seconds, and of each node, has been filled by then."""
REPORT_S = 2
"""A real worker reports so often, and a real agent samples twice in that time."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What the controller's process held after so many hours of the played time."""

    hour: int
    took_s: float
    """How long it really took to play."""
    rss_bytes: int
    objects: int
    entries: int
    """Of all containers together."""
    size_bytes: int
    """Of all objects together."""
    database_bytes: int
    """The size of run.db."""
    reports: int
    """Taken since the beginning; so are samples."""
    samples: int
    lost: int
    """How often a node was lost."""
    restarts: int


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much an hour adds, by a straight line through the hours from SETTLED_H on."""

    rss_bytes: float
    objects: float
    entries: float
    size_bytes: float


def growth(hours: Sequence[Hour]) -> Growth | None:
    """None of fewer than three settled hours."""
    settled = [each for each in hours if each.hour >= SETTLED_H]
    if len(settled) < 3:
        return None
    at = [each.hour for each in settled]
    return Growth(
        **{name: linear_regression(at, [getattr(each, name) for each in settled]).slope for name in Growth.__slots__}
    )


def reports_of_real_nodes(nodes: int, hours: int) -> int:
    """How many reports so many workers send in so long."""
    return nodes * hours * 3600 // REPORT_S
