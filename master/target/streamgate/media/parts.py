"""The bytes of uploaded media in the database, in the parts in which they came."""

from __future__ import annotations

from master.target.database.database import Database, Statements
from master.target.streamgate.media.medium import Medium

MAX_PART_BYTES = 256 * 1024
"""Of one row: reading a range touches little else, and a database writes it in one go."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS media_parts (
    medium TEXT NOT NULL, start INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (medium, start));
"""
_ADD = "INSERT INTO media_parts (medium, start, content) VALUES (?, ?, ?)"
_READ = "SELECT start, content FROM media_parts WHERE medium = ? AND start > ? AND start < ? ORDER BY start"
_DELETE = "DELETE FROM media_parts WHERE medium = ?"
_KEPT = "SELECT COUNT(*), COALESCE(SUM(LENGTH(content)), 0) FROM media_parts"


def count_parts(size_bytes: int) -> int:
    """Rows that so many bytes take which come at once."""
    return -(-size_bytes // MAX_PART_BYTES)


class PartStorage:
    """The table of parts. `await open()` before use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.kept = 0
        self.kept_bytes = 0

    async def open(self) -> None:
        """Create what is missing, and sum up what is there."""
        await self._database.create(_SCHEMA)
        row = await self._database.fetch_one(_KEPT)
        assert row is not None
        self.kept, self.kept_bytes = map(int, row)

    async def add(self, statements: Statements, medium: Medium, start: int, content: bytes) -> None:
        """The part that begins at `start`; of more than MAX_PART_BYTES it makes several."""
        for at in range(0, len(content), MAX_PART_BYTES):
            await statements.execute(_ADD, medium.id, start + at, content[at : at + MAX_PART_BYTES])

    async def read(self, medium: Medium, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`; fewer where they are not there."""
        rows = await self._database.fetch_all(_READ, medium.id, start - MAX_PART_BYTES, end)
        return b"".join(bytes(content[max(0, start - at) : max(0, end - at)]) for at, content in rows)

    async def delete(self, statements: Statements, medium: Medium) -> None:
        """Forget all parts of a medium."""
        await statements.execute(_DELETE, medium.id)

    def count(self, parts: int, size_bytes: int) -> None:
        """What was added, or taken away, is committed."""
        self.kept += parts
        self.kept_bytes += size_bytes
