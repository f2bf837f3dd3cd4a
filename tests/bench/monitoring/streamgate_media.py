"""Media as the embedded target keeps them in its cache."""

from __future__ import annotations

from itertools import cycle, islice

from master.target.streamgate.media.catalogue import catalogue
from master.target.streamgate.media.library import CachedMedium
from master.target.streamgate.media.medium import Medium


def media(count: int) -> dict[str, CachedMedium]:
    """So many media by id, each with the answer that is made of it; those of the catalogue, again and again under new ids."""
    found = {}
    for serial, medium in enumerate(islice(cycle(catalogue()), count), 1):
        key = f"media{serial:04}"
        found[key] = CachedMedium(
            Medium(
                serial=serial,
                id=key,
                owner=None,
                title=medium.title,
                tags=medium.tags,
                size_bytes=medium.size_bytes,
                received_bytes=medium.size_bytes,
                parts=0,
                sha256=None,
                seed=medium.seed,
                version=1,
                created_at=1_700_000_000.0 + serial,
                expires_at=None,
            )
        )
    return found
