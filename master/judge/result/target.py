"""What a result tells of the target beside its answers."""

from __future__ import annotations

import msgspec


class TargetFigures(msgspec.Struct, kw_only=True):
    """What the target's process used in the steady part where it ran on the controller's machine, and what it counted of its cache."""

    cpu_percent_mean: float | None
    """Of one core."""
    cpu_percent_max: float | None
    memory_start_bytes: int | None
    """Resident memory."""
    memory_end_bytes: int | None
    memory_peak_bytes: int | None
    memory_growth_bytes: int | None
    """From the start to the end of the steady part."""
    cache_hits: int | None
    cache_misses: int | None
    cache_hit_share: float | None
    """From 0 to 1."""
