"""The media: found, cached, taken in and let go of. Here rows, bytes and caches are kept in step."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from master.target.api import errors
from master.target.api.caller import Caller
from master.target.database.database import Database
from master.target.streamgate.caching.cache import Cache
from master.target.streamgate.media.generated import generated
from master.target.streamgate.media.medium import SEGMENT_BYTES, Medium
from master.target.streamgate.media.messages import info
from master.target.streamgate.media.parts import PartStorage
from master.target.streamgate.media.storage import MediaStorage
from master.target.streamgate.streaming.conditions import http_date

_encode = msgspec.json.Encoder().encode
_REMOVED_AT_ONCE = 16  # a millisecond's work
_ROOM = 0.99
"""The share of the limits down to which what is too much goes: not for each upload anew, and not for long."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """How much is kept: of what was uploaded, and in each cache."""

    media: int = 10_000
    parts: int = 50_000
    part_bytes: int = 128 * 1024 * 1024
    cache_bytes: int = 64 * 1024 * 1024
    cache_ttl_s: float = 60.0


class CachedMedium:
    """A medium with what is answered of it."""

    __slots__ = ("body", "etag", "last_modified", "medium", "size_bytes")

    def __init__(self, medium: Medium) -> None:
        self.medium = medium
        self.body = _encode(info(medium))
        self.etag = f'"{medium.id}-{medium.version}"'
        self.last_modified = http_date(medium.created_at)
        """Of the content, which never changes."""
        self.size_bytes = 2 * len(self.body) + 600  # the answer, the structure, and both their heads


class Segment:
    """A piece of a medium's content."""

    __slots__ = ("_digest", "content", "size_bytes")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size_bytes = len(content) + 200
        self._digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """The value of Content-Digest, RFC 9530."""
        if self._digest is None:
            self._digest = b"sha-256=:%s:" % b64encode(sha256(self.content).digest())
        return self._digest


class Library:
    """All media. `clock` gives Unix seconds. `await open()` before use."""

    def __init__(
        self, database: Database, limits: MediaLimits | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.limits = limits or MediaLimits()
        self.media = MediaStorage(database)
        self.parts = PartStorage(database)
        self.metadata: Cache[str, CachedMedium] = Cache(self.limits.cache_bytes // 8, self.limits.cache_ttl_s)
        self.segments: Cache[tuple[str, int], Segment] = Cache(self.limits.cache_bytes, self.limits.cache_ttl_s)
        self.database = database
        self._clock = clock
        self._removing = False

    async def open(self) -> None:
        """Make the tables ready."""
        await self.media.open(self._clock())
        await self.parts.open()

    async def find(self, medium_id: str) -> tuple[CachedMedium, bool]:
        """A complete medium, and whether it was cached. Raises ApiError 404."""
        cached = self.metadata.get(medium_id)
        if cached is not None:
            return cached, True
        drops = self.metadata.drops
        medium = await self.media.find(medium_id)
        if medium is None or not medium.complete:
            raise errors.not_found("medium")
        cached = CachedMedium(medium)
        if self.metadata.drops == drops:
            self.metadata.put(medium_id, cached)
        return cached, False

    async def segment(self, medium: Medium, number: int) -> tuple[Segment, bool]:
        """One of its segments, and whether it was cached. Raises ApiError 404 where it has no such."""
        key = (medium.id, number)
        cached = self.segments.get(key)
        if cached is not None:
            return cached, True
        if not 0 <= number < medium.segments:
            raise errors.not_found("segment")
        start, drops = number * SEGMENT_BYTES, self.segments.drops
        end = min(start + SEGMENT_BYTES, medium.size_bytes)
        if medium.seed is not None:
            content = bytes(generated(medium.seed, start, end))
        else:
            content = await self.parts.read(medium, start, end)
            if len(content) != end - start:
                raise errors.not_found("medium")  # it was deleted meanwhile
        segment = Segment(content)
        if self.segments.drops == drops:
            self.segments.put(key, segment)
        return segment, False

    async def change(self, medium_id: str, caller: Caller, title: str | None, tags: list[str] | None) -> Medium:
        """Change what is given of a medium. Raises ApiError 403 and 404."""
        while True:
            medium = await self.media.find(medium_id)
            if medium is None or not medium.complete:
                raise errors.not_found("medium")
            _require_owner(medium, caller)
            changed = await self.media.change(
                medium, medium.title if title is None else title, medium.tags if tags is None else " ".join(tags)
            )
            if changed is not None:
                self.metadata.drop(medium_id)
                return changed
            # Another request was faster: this one is decided anew.

    async def delete(self, medium_id: str, caller: Caller) -> None:
        """Delete a medium. Raises ApiError 403 and 404."""
        medium = await self.media.find(medium_id)
        if medium is None or not medium.complete:
            raise errors.not_found("medium")
        _require_owner(medium, caller)
        if not await self.remove([medium]):
            raise errors.not_found("medium")

    async def remove(self, media: Sequence[Medium]) -> int:
        """Forget media and uploads with their bytes; how many were still there."""
        removed = []
        async with self.database.transaction() as statements:
            for medium in media:
                deleted = await self.media.delete(statements, medium.id)
                if deleted is not None:
                    await self.parts.delete(statements, deleted)
                    removed.append(deleted)
        for medium in removed:
            if medium.owner is not None:
                self.parts.count(-medium.parts, -medium.received_bytes)
            self.media.count(medium, -1)
            self.metadata.drop(medium.id)
            for number in range(medium.segments):
                self.segments.drop((medium.id, number))
        return len(removed)

    async def make_room(self) -> None:
        """Let the oldest uploads go, complete or not, as long as there is more than `limits` allow."""
        if self._removing or not self._over():
            return
        self._removing = True
        try:
            while surplus := await self._surplus():
                if not await self.remove(surplus):
                    break
        finally:
            self._removing = False

    async def _surplus(self) -> list[Medium]:
        """Some of the oldest uploads, not more than have to go so that there is a little room."""
        oldest = await self.media.oldest_uploaded(_REMOVED_AT_ONCE)
        surplus: list[Medium] = []
        gone_parts, gone_bytes = 0, 0
        for medium in oldest[: self.media.uploaded - 1]:  # the newest stays, however large
            if not self._over(len(surplus), gone_parts, gone_bytes, _ROOM):
                break
            surplus.append(medium)
            gone_parts, gone_bytes = gone_parts + medium.parts, gone_bytes + medium.received_bytes
        return surplus

    def _over(self, gone: int = 0, gone_parts: int = 0, gone_bytes: int = 0, share: float = 1.0) -> bool:
        limits = self.limits
        return (
            self.media.uploaded - gone > limits.media * share
            or self.parts.kept - gone_parts > limits.parts * share
            or self.parts.kept_bytes - gone_bytes > limits.part_bytes * share
        )


def _require_owner(medium: Medium, caller: Caller) -> None:
    if not (caller.is_admin or medium.owner == caller.name):
        raise errors.forbidden("this medium is another's")
