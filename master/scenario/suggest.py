"""The "did you mean" of error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "duration": ("hold", "for"),
    "during": ("hold", "for"),
    "for": ("hold",),
    "vus": ("users",),
    "maxvus": ("max_users",),
    "preallocatedvus": ("max_users",),
    "workers": ("max_users",),
    "connections": ("max_users",),
    "target": ("rate", "users"),
    "rps": ("rate",),
    "constantuserspersec": ("rate",),
    "rampuserspersec": ("rate",),
    "arrival_rate": ("rate",),
    "throughput": ("rate",),
    "timeunit": ("rate",),
    "dropped_iterations": ("missed",),
    "dropped": ("missed",),
    "iterations": ("arrival_rate",),
    "arrivals": ("arrival_rate",),
    "arrivals_rate": ("arrival_rate",),
    "service_time": ("service p95",),
    "hit_rate": ("cache_hits",),
    "cache_hit_rate": ("cache_hits",),
}
"""What other tools, and people, call things here, in lower case."""
RATE_WORDS = frozenset(word for word, names in OTHER_NAMES.items() if names[0] == "rate" and "users" not in names)
"""Those that mean a rate of arrivals, and no number of users."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to `word`, whatever the case; None when none is near.

    The only one that begins with all of `word` is near, from three letters on.
    """
    by_lower = {name.lower(): name for name in known}
    for name in OTHER_NAMES.get(word.lower(), ()):
        if name in by_lower:
            return by_lower[name]
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    begun = [name for name in by_lower if len(word) >= 3 and name.startswith(word.lower())]
    if not near and len(begun) == 1:
        near = begun
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word that is nearest to `word`, or nothing when none is near."""
    near = nearest(word, known)
    return "" if near is None else f"; did you mean {near!r}?"
