"""Media in the database, and the index of words by which they are found."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from master.target.database.database import Database, Statements
from master.target.streamgate.media.catalogue import catalogue
from master.target.streamgate.media.medium import Medium
from master.target.streamgate.media.parts import count_parts
from master.target.streamgate.media.words import terms

# The order of columns is that of Medium. A change names the medium by its id: SQLite gives the highest serial number anew when its row
# has gone, and who changes may have read the row before that. The partial indexes hold what a list shows, and what may have expired.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS media (
    serial SERIAL_KEY, id TEXT UNIQUE NOT NULL, owner TEXT, title TEXT NOT NULL, tags TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, received_bytes INTEGER NOT NULL, parts INTEGER NOT NULL, sha256 TEXT, seed INTEGER,
    version INTEGER NOT NULL DEFAULT 1, created_at REAL NOT NULL, expires_at REAL);
CREATE INDEX IF NOT EXISTS media_complete ON media (serial) WHERE expires_at IS NULL;
CREATE INDEX IF NOT EXISTS media_uploaded ON media (serial) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS media_expiring ON media (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS media_words (
    word TEXT NOT NULL, medium INTEGER NOT NULL, PRIMARY KEY (word, medium)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS media_words_by_medium ON media_words (medium);
"""
_ADD = (
    "INSERT INTO media (id, owner, title, tags, size_bytes, received_bytes, parts, sha256, seed, created_at, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *"
)
_FIND = "SELECT * FROM media WHERE id = ?"
_GROW = (
    "UPDATE media SET received_bytes = received_bytes + ?, parts = parts + ?, expires_at = ?"
    " WHERE id = ? AND received_bytes = ? AND expires_at IS NOT NULL RETURNING *"
)
_FINISH = (
    "UPDATE media SET sha256 = ?, expires_at = NULL"
    " WHERE id = ? AND received_bytes = size_bytes AND expires_at IS NOT NULL RETURNING *"
)
_CHANGE = "UPDATE media SET title = ?, tags = ?, version = version + 1 WHERE id = ? AND version = ? RETURNING *"
_DELETE = "DELETE FROM media WHERE id = ? RETURNING *"
_FORGET_WORDS = "DELETE FROM media_words WHERE medium = ?"
_LATEST = "SELECT * FROM media WHERE expires_at IS NULL AND serial < ? ORDER BY serial DESC LIMIT ?"
_EXPIRED = "SELECT * FROM media WHERE expires_at < ? ORDER BY expires_at LIMIT ?"
_COUNTS = "SELECT COUNT(*), COUNT(owner), COUNT(expires_at) FROM media"
_OLDEST_UPLOADED = "SELECT * FROM media WHERE owner IS NOT NULL ORDER BY serial LIMIT ?"
_FIRST_PAGE = 2**63 - 1


class NewMedium(NamedTuple):
    """What whoever uploads a medium decides; `tags` are separated by spaces."""

    id: str
    owner: str
    title: str
    tags: str
    size_bytes: int


class MediaStorage:
    """The tables of media and of their words. Times are Unix seconds and are passed in. `await open()` before use.

    What changes several rows takes the statements of a transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.kept = 0
        self.uploaded = 0
        self.incomplete = 0

    async def open(self, now: float) -> None:
        """Create what is missing, count what is there, and fill an empty table with the catalogue."""
        await self._database.create(_SCHEMA)
        await self._count()
        if not self.kept:
            async with self._database.transaction() as statements:
                for each in catalogue():
                    fields = (each.id, None, each.title, each.tags, each.size_bytes, each.size_bytes, 0)
                    row = await statements.fetch_one(_ADD, *fields, None, each.seed, now, None)
                    assert row is not None
                    await _index(statements, Medium(*row))
            await self._count()

    async def find(self, medium_id: str) -> Medium | None:
        """The medium with that id, complete or not."""
        row = await self._database.fetch_one(_FIND, medium_id)
        return None if row is None else Medium(*row)

    async def search(self, wanted: Sequence[str], after: int | None, limit: int) -> list[Medium]:
        """Complete media that have all of the terms, or any medium without terms; newest first, before serial number `after`."""
        before = _FIRST_PAGE if after is None else after
        if not wanted:
            rows = await self._database.fetch_all(_LATEST, before, limit)
        else:
            first, *others = wanted
            rows = await self._database.fetch_all(_search(len(others)), first, before, *others, limit)
        return [Medium(*row) for row in rows]

    async def add(
        self,
        statements: Statements,
        new: NewMedium,
        now: float,
        *,
        sha256: str | None = None,
        expires_at: float | None = None,
    ) -> Medium:
        """A medium: whole with its `sha256`, or one to be uploaded until `expires_at`."""
        received_bytes = new.size_bytes if expires_at is None else 0
        parts = count_parts(received_bytes)
        row = await statements.fetch_one(_ADD, *new, received_bytes, parts, sha256, None, now, expires_at)
        assert row is not None
        medium = Medium(*row)
        if medium.complete:
            await _index(statements, medium)
        return medium

    async def grow(self, statements: Statements, medium: Medium, more_bytes: int, expires_at: float) -> Medium | None:
        """More of an upload has come; None if it is no more where `medium` says."""
        row = await statements.fetch_one(
            _GROW, more_bytes, count_parts(more_bytes), expires_at, medium.id, medium.received_bytes
        )
        return None if row is None else Medium(*row)

    async def finish(self, statements: Statements, medium: Medium, sha256: str) -> Medium | None:
        """An upload is complete; None if it is already."""
        row = await statements.fetch_one(_FINISH, sha256, medium.id)
        if row is None:
            return None
        finished = Medium(*row)
        await _index(statements, finished)
        return finished

    async def change(self, medium: Medium, title: str, tags: str) -> Medium | None:
        """Set title and tags; None if the medium is no more as `medium` says."""
        async with self._database.transaction() as statements:
            row = await statements.fetch_one(_CHANGE, title, tags, medium.id, medium.version)
            if row is None:
                return None
            changed = Medium(*row)
            await statements.execute(_FORGET_WORDS, medium.serial)
            await _index(statements, changed)
        return changed

    async def delete(self, statements: Statements, medium_id: str) -> Medium | None:
        """Forget a medium: as it was, or None if it is gone already."""
        row = await statements.fetch_one(_DELETE, medium_id)
        if row is None:
            return None
        deleted = Medium(*row)
        await statements.execute(_FORGET_WORDS, deleted.serial)
        return deleted

    async def expired(self, now: float, limit: int) -> list[Medium]:
        """Uploads that were not completed in time."""
        return [Medium(*row) for row in await self._database.fetch_all(_EXPIRED, now, limit)]

    async def oldest_uploaded(self, limit: int) -> list[Medium]:
        """Uploaded media and uploads, the oldest first."""
        return [Medium(*row) for row in await self._database.fetch_all(_OLDEST_UPLOADED, limit)]

    def count(self, medium: Medium, change: int) -> None:
        """An uploaded medium was added (1) or is gone (-1), which is committed."""
        self.kept += change
        self.uploaded += change if medium.owner is not None else 0
        self.incomplete += change if not medium.complete else 0

    async def _count(self) -> None:
        row = await self._database.fetch_one(_COUNTS)
        assert row is not None
        self.kept, self.uploaded, self.incomplete = map(int, row)


async def _index(statements: Statements, medium: Medium) -> None:
    found = terms(medium.title, medium.tag_list())
    if found:
        values = [value for word in found for value in (word, medium.serial)]
        await statements.execute(_add_words(len(found)), *values)


@cache  # as many texts as a medium may have terms
def _add_words(count: int) -> str:
    places = ", ".join(["(?, ?)"] * count)
    return f"INSERT INTO media_words (word, medium) VALUES {places}"  # noqa: S608  # of constants alone


@cache  # as many texts as a search may have terms
def _search(others: int) -> str:
    also = " AND EXISTS (SELECT 1 FROM media_words o WHERE o.word = ? AND o.medium = w.medium)" * others
    # By itself, so that no more rows are joined than are shown, whatever PostgreSQL believes of a table that grows.
    found = f"SELECT w.medium FROM media_words w WHERE w.word = ? AND w.medium < ?{also} ORDER BY w.medium DESC LIMIT ?"  # noqa: S608
    return f"SELECT m.* FROM ({found}) f JOIN media m ON m.serial = f.medium ORDER BY m.serial DESC"  # noqa: S608
