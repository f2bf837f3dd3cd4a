"""Which node an RDP server is put on: best fit, deterministic. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Resources(NamedTuple):
    """Cores, memory and storage: what a server needs, or what a node has left."""

    cpu_count: int
    memory_mb: int
    disk_mb: int


class Candidate(NamedTuple):
    """A node that is alive: what it registered, and what of that no server has."""

    name: str
    capacity: Resources
    free: Resources


def has_room(free: Resources, needed: Resources) -> bool:
    """Whether every part of `needed` fits into `free`."""
    return all(left >= part for left, part in zip(free, needed, strict=True))


def best_fit(candidates: Iterable[Candidate], needed: Resources) -> Candidate | None:
    """The node that is left with the smallest share of its capacity; None if none has room.

    Filling nodes up one by one keeps the others whole for servers that need much. The share is the mean over cores,
    memory and storage; where it is the same, the first by name is taken, whatever the order of `candidates`.
    """
    fitting = [candidate for candidate in candidates if has_room(candidate.free, needed)]
    return min(fitting, key=lambda candidate: (_left_share(candidate, needed), candidate.name), default=None)


def _left_share(candidate: Candidate, needed: Resources) -> float:
    parts = zip(candidate.capacity, candidate.free, needed, strict=True)
    return sum((free - part) / max(1, capacity) for capacity, free, part in parts) / len(needed)
