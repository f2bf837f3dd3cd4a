"""What is known of a medium. One that is still being uploaded is one already, and not shown to others."""

from __future__ import annotations

from msgspec import Struct

SEGMENT_BYTES = 256 * 1024
SEGMENT_S = 4.0
"""What a whole segment plays: half a megabit a second, a video for a telephone."""


class Medium(Struct, frozen=True):
    """A row of the table of media. Times are in Unix seconds.

    `owner` is None for those of the catalogue, whose content is generated of `seed`; `sha256` in hexadecimal is known of
    uploaded ones. `version` counts changes of title and tags. `expires_at` is that of an upload that is not complete.
    """

    serial: int
    id: str
    owner: str | None
    title: str
    tags: str
    """Separated by spaces."""
    size_bytes: int
    received_bytes: int
    parts: int
    """Rows in which its bytes are; 0 for the catalogue's."""
    sha256: str | None
    seed: int | None
    version: int
    created_at: float
    expires_at: float | None

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return self.expires_at is None

    @property
    def segments(self) -> int:
        """How many there are; the last may be shorter."""
        return -(-self.size_bytes // SEGMENT_BYTES)

    def tag_list(self) -> list[str]:
        """The tags one by one."""
        return self.tags.split()
