"""A library on a database in a file, for tests of what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from master.target.api.caller import Caller, Role
from master.target.database.sqlite import SqliteDatabase
from master.target.streamgate.media.library import Library, MediaLimits
from master.target.streamgate.media.medium import Medium
from master.target.streamgate.uploads.intake import Intake

OWNER = Caller("user0001", Role.USER, 0)
OTHER = Caller("user0002", Role.USER, 0)
ADMIN = Caller("admin01", Role.ADMIN, 0)
LIMITS = MediaLimits(media=20, parts=40, part_bytes=100_000, cache_bytes=1_000_000)


class Store:
    """The library and the intake of a target that has just started, at the time `now` in Unix seconds."""

    def __init__(self, database: SqliteDatabase, limits: MediaLimits) -> None:
        self.now = 1000.0
        self.database = database
        self.library = Library(database, limits, clock=lambda: self.now)
        self.intake = Intake(self.library, clock=lambda: self.now, upload_within_s=60)

    async def add(self, title: str = "A film", content: bytes = b"content", tags: str = "") -> Medium:
        return await self.intake.add_whole(OWNER.name, title, tags, content, sha256(content).hexdigest())

    async def content(self, medium: Medium) -> bytes:
        pieces = [(await self.library.segment(medium, number))[0].content for number in range(medium.segments)]
        return b"".join(pieces)

    async def found(self, *terms: str, limit: int = 100) -> list[str]:
        return [medium.title for medium in await self.library.media.search(terms, None, limit)]

    async def counted(self) -> tuple[int, int, int, int, int]:
        """What is kept, by the tables themselves."""
        library = Library(self.database)
        await library.open()
        return figures(library)


def figures(library: Library) -> tuple[int, int, int, int, int]:
    media, parts = library.media, library.parts
    return media.kept, media.uploaded, media.incomplete, parts.kept, parts.kept_bytes


def with_store(path: Path, work: Callable[[Store], Awaitable[None]], limits: MediaLimits = LIMITS) -> None:
    """Open the library at `path` as a process that starts would, work with it, and check that its sums are true."""

    async def run() -> None:
        database = SqliteDatabase(path)
        try:
            store = Store(database, limits)
            await store.library.open()
            await work(store)
            assert figures(store.library) == await store.counted()
        finally:
            await database.close()

    asyncio.run(run())
