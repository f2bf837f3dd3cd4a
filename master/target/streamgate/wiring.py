"""The parts of StreamGate put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from master.target.api.domain import Domain
from master.target.database.database import Database
from master.target.streamgate.caching.cache import Cache
from master.target.streamgate.caching.router import CacheApi
from master.target.streamgate.limiting.limiter import CallerLimits
from master.target.streamgate.limiting.router import LimitFigures
from master.target.streamgate.media.library import Library, MediaLimits
from master.target.streamgate.media.router import MediaApi
from master.target.streamgate.streaming.router import StreamingApi
from master.target.streamgate.uploads.form_router import FormApi
from master.target.streamgate.uploads.intake import Intake
from master.target.streamgate.uploads.tus_router import TusApi

DEFAULT_RATE_PER_S = 10_000.0


@dataclass(frozen=True, slots=True)
class StreamGateSettings:
    """`rate_limit_per_s` is that of each caller, who may ask for a second's worth at once; 0: no limit."""

    rate_limit_per_s: float = DEFAULT_RATE_PER_S
    media: MediaLimits = field(default_factory=MediaLimits)


class StreamGate(NamedTuple):
    """Its domains, and the limits of its callers."""

    domains: list[Domain]
    limits: CallerLimits | None


def streamgate(
    database: Database, settings: StreamGateSettings, *, clock: Callable[[], float] = time.time
) -> StreamGate:
    """StreamGate on `database`. `clock` gives Unix seconds."""
    library = Library(database, settings.media, clock=clock)
    intake = Intake(library, clock=clock)
    rate_per_s = settings.rate_limit_per_s
    limits = CallerLimits(rate_per_s, max(1, round(rate_per_s))) if rate_per_s else None
    caches: Mapping[str, Cache[Any, Any]] = {"metadata": library.metadata, "segments": library.segments}
    domains: list[Domain] = [
        FormApi(library, intake),
        TusApi(intake),
        MediaApi(library),
        StreamingApi(library),
        CacheApi(caches),
    ]
    if limits is not None:
        domains.append(LimitFigures(limits))
    return StreamGate(domains, limits)
