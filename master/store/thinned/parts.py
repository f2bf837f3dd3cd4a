"""What thinning takes out of run.db and puts in its place, step by step; each step is written as a whole, or not at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from master.store.thinned.columns import DamagedPackError

MINUTE_S = 60
"""Seconds are thinned by so many, from the start of the run; no span is longer."""
THINNED_KEY = "thinned"
"""The key in `meta` of how far thinning has come; missing where nothing was thinned."""

Kind = Literal["fitness", "samples"]
Row = tuple[Any, ...]
"""A row of a table of run.db, in the order of its columns."""


class WindowState(msgspec.Struct, frozen=True):
    """What is known of a threshold with a window from the seconds whose requests are thinned; see master.judge.target.thresholds."""

    rule: str
    worst: float | None = None
    worst_from_s: int = 0
    windows: int = 0
    longest_ms: float = 0.0
    had_requests: bool = False
    had_arrivals: bool = False
    all_excluded: int = 0
    hidden: int = 0
    unknown_from_s: int = 0
    unknown_windows: int = 0


class Thinned(msgspec.Struct, frozen=True):
    """How far a run.db is thinned: seconds before these are."""

    requests_before: int = 0
    """Their requests and arrivals are in spans, and the windows that ended with them are judged."""
    fitness_before: int = 0
    samples_before: int = 0
    windows: list[WindowState] = []
    late_requests: int = 0
    """Requests that were reported when their second was thinned already: they count, but are in no window that was judged."""


class NodePart(msgspec.Struct, frozen=True, tag=True):
    """The worker-seconds, or samples, of some nodes within [second, end_s)."""

    kind: Kind
    second: int
    end_s: int
    part: int
    """Which of the parts of its span it is."""
    pack: bytes


class RequestPart(msgspec.Struct, frozen=True, tag=True):
    """All requests, arrivals and waiting requests within [second, end_s)."""

    second: int
    end_s: int
    requests: list[Row]
    """Rows of `request_spans`."""
    arrivals: list[Row]
    """Rows of `arrival_spans`."""
    waiting: list[Row]
    """Rows of `waiting` that stay."""
    windows: list[WindowState]
    windows_s: int
    """The longest of the windows: so long the seconds before `end_s` stay, so that the windows after it can be judged."""


class MinuteDone(msgspec.Struct, frozen=True, tag=True):
    """All parts of a kind are written for the seconds before this one: from now on they stand in place of the rows."""

    kind: Kind
    before: int
    totals: list[tuple[int, bytes]] = []
    """By node: what was known of the steady seconds before, and these."""
    worker_seconds: list[tuple[int, int | None, int, int, int, float]] = []
    """Rows of the table `worker_seconds`; none for samples."""


Part = NodePart | RequestPart | MinuteDone


def thinned_of(stored: object) -> Thinned:
    """From what is in `meta`. Raises DamagedPackError."""
    try:
        return Thinned() if stored is None else msgspec.convert(stored, Thinned)
    except msgspec.ValidationError as error:
        raise DamagedPackError(f"{THINNED_KEY}: {error}") from None


def group_nodes(nodes: Sequence[int], parts: int, least: int) -> list[tuple[int, int]]:
    """Ascending numbers of nodes in at most so many ranges of alike many, none but the last with fewer than `least`."""
    size = max(least, -(-len(nodes) // parts))
    return [(group[0], group[-1]) for group in (nodes[start : start + size] for start in range(0, len(nodes), size))]
