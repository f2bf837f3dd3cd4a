"""What is sent and answered about media. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from master.target.api.messages import PageLimit
from master.target.streamgate.media.medium import SEGMENT_BYTES, SEGMENT_S, Medium

MAX_TITLE_CHARACTERS = 128
MAX_TAGS = 8

Title = Annotated[str, Meta(min_length=1, max_length=MAX_TITLE_CHARACTERS)]
Tag = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
Tags = Annotated[list[Tag], Meta(max_length=MAX_TAGS)]


class MediumInfo(Struct):
    """A medium. `owner` is null and `sha256` unknown for those of the catalogue; `version` rises with each change; the last segment may be shorter."""

    id: str
    owner: str | None
    title: str
    tags: list[str]
    size_bytes: int
    segments: int
    segment_bytes: int
    duration_s: float
    sha256: str | None
    version: int
    created_at: float


class MediaPage(Struct):
    """Media, newest first. `next` is the `after` of the next page, or null on the last one."""

    media: list[MediumInfo]
    next: int | None


class MediaQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /media: `query` has words that all must be in the title, whole, in any case."""

    query: Annotated[str, Meta(max_length=128)] = ""
    tag: Tag | None = None
    limit: PageLimit = 20
    after: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class MediumChange(Struct, forbid_unknown_fields=True):
    """Body of PATCH /media/[id]: what is left out stays."""

    title: Title | None = None
    tags: Tags | None = None


class MediaTotals(Struct):
    """Media kept, uploads that are not complete among them, and the bytes kept of what was uploaded; `uploads_total` were completed since the start."""

    media: int
    incomplete: int
    kept_bytes: int
    uploads_total: int
    uploaded_bytes_total: int


def info(medium: Medium) -> MediumInfo:
    """A medium as everybody sees it."""
    return MediumInfo(
        medium.id,
        medium.owner,
        medium.title,
        medium.tag_list(),
        medium.size_bytes,
        medium.segments,
        SEGMENT_BYTES,
        round(medium.size_bytes / SEGMENT_BYTES * SEGMENT_S, 6),
        medium.sha256,
        medium.version,
        medium.created_at,
    )
