"""What the users need of StreamGate's answers in JSON. Fields that are not named here are ignored."""

from __future__ import annotations

import msgspec


class MediumReply(msgspec.Struct):
    """One medium: GET and PATCH /media/[id], and each item of a search."""

    id: str
    title: str
    tags: list[str]
    size_bytes: int

    def has_words(self, words: str) -> bool:
        """Whether each of `words` is a word of the title or a tag, whatever the case."""
        own = {*self.title.lower().split(), *(tag.lower() for tag in self.tags)}
        return own.issuperset(words.lower().split())


class MediaPageReply(msgspec.Struct):
    """GET /media."""

    media: list[MediumReply]


class StoredMediumReply(msgspec.Struct):
    """POST /uploads/multipart. `sha256` is that of the content, in hexadecimal."""

    media: str
    size_bytes: int
    sha256: str


class UploadReply(msgspec.Struct):
    """GET /uploads/[id]. `media` is the medium that it has become, once it is complete."""

    complete: bool
    media: str | None = None
