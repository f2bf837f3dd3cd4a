"""Takes in what is uploaded: each part is in the database before it is acknowledged, and the last one makes the medium."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from cachetools import LRUCache

from master.target.streamgate.media.library import Library
from master.target.streamgate.media.medium import Medium
from master.target.streamgate.media.parts import MAX_PART_BYTES, count_parts
from master.target.streamgate.media.storage import NewMedium

UPLOAD_WITHIN_S = 3600.0
"""An upload expires when nothing came for so long."""
_EXPIRED_AT_ONCE = 4  # twice the rate at which they can come, so they get fewer
_MAX_HASHES = 10_000  # as many as uploads are kept, half a kilobyte each
MAX_PARTS = 4096
"""Of an upload: as many as the longest has of 16 KiB. A segment is read from all that it is in."""


class _Hash(NamedTuple):
    """SHA-256 over the first `position` bytes of an upload."""

    position: int
    sha256: hashlib._Hash


class Intake:
    """Uploads on their way into the library. `clock` gives Unix seconds."""

    def __init__(
        self, library: Library, *, clock: Callable[[], float] = time.time, upload_within_s: float = UPLOAD_WITHIN_S
    ) -> None:
        self._library = library
        self._clock = clock
        self._within_s = upload_within_s
        # Of uploads that grow; that of one which is not here is made of the stored parts.
        self._hashes: LRUCache[str, _Hash] = LRUCache(_MAX_HASHES)
        self.uploads = 0
        self.uploaded_bytes = 0

    async def add_whole(self, owner: str, title: str, tags: str, content: bytes, sha256: str) -> Medium:
        """A medium that has come in one piece, whose SHA-256 is that."""
        library = self._library
        new = NewMedium(secrets.token_hex(8), owner, title, tags, len(content))
        async with library.database.transaction() as statements:
            medium = await library.media.add(statements, new, self._clock(), sha256=sha256)
            await library.parts.add(statements, medium, 0, content)
        library.media.count(medium, 1)
        self._completed(medium)
        await self._received(content)
        return medium

    async def begin(self, owner: str, title: str, tags: str, size_bytes: int) -> Medium:
        """An upload of that size, which is complete at once if that is 0."""
        library, now = self._library, self._clock()
        new = NewMedium(secrets.token_hex(8), owner, title, tags, size_bytes)
        expired = await library.media.expired(now, _EXPIRED_AT_ONCE)
        if expired:
            await library.remove(expired)
        async with library.database.transaction() as statements:
            medium = await library.media.add(statements, new, now, expires_at=now + self._within_s)
            finished = None
            if not size_bytes:
                finished = await library.media.finish(statements, medium, hashlib.sha256().hexdigest())
        medium = finished or medium
        library.media.count(medium, 1)
        if medium.complete:
            self._completed(medium)
        await library.make_room()
        return medium

    async def append(self, medium: Medium, content: bytes) -> Medium | None:
        """The next bytes of an upload; None if it is no more where `medium` says, since another was faster."""
        library, start = self._library, medium.received_bytes
        after = await self._hash(medium)
        after.update(content)
        complete = start + len(content) == medium.size_bytes
        async with library.database.transaction() as statements:
            grown = await library.media.grow(statements, medium, len(content), self._clock() + self._within_s)
            if grown is None:
                return None
            await library.parts.add(statements, medium, start, content)
            if complete:
                grown = await library.media.finish(statements, grown, after.hexdigest()) or grown
        if complete:
            self._hashes.pop(medium.id, None)
            library.media.incomplete -= 1
            self._completed(grown)
        else:
            self._hashes[medium.id] = _Hash(grown.received_bytes, after)
        await self._received(content)
        return grown

    async def find(self, upload_id: str) -> Medium | None:
        """An upload, complete or not, that has not expired."""
        medium = await self._library.media.find(upload_id)
        if medium is None or medium.owner is None:
            return None
        if medium.expires_at is not None and medium.expires_at < self._clock():
            await self.end(medium)
            return None
        return medium

    async def end(self, medium: Medium) -> None:
        """Forget an upload."""
        self._hashes.pop(medium.id, None)
        await self._library.remove([medium])

    async def _hash(self, medium: Medium) -> hashlib._Hash:
        known = self._hashes.get(medium.id)
        if known is not None and known.position == medium.received_bytes:
            return known.sha256.copy()
        made = hashlib.sha256()
        for start in range(0, medium.received_bytes, MAX_PART_BYTES):
            end = min(start + MAX_PART_BYTES, medium.received_bytes)
            made.update(await self._library.parts.read(medium, start, end))
            await asyncio.sleep(0)  # a long upload takes 60 ms, in which others are answered
        return made

    def _completed(self, medium: Medium) -> None:
        self.uploads += 1
        self.uploaded_bytes += medium.size_bytes

    async def _received(self, content: bytes) -> None:
        self._library.parts.count(count_parts(len(content)), len(content))
        await self._library.make_room()
