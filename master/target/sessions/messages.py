"""What is sent and answered about sessions. Unknown fields are refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from master.target.api.messages import PageLimit

Codec = Literal["h264", "h265", "vp9", "av1"]
Pixels = Annotated[int, Meta(ge=1, le=16384)]


class State(StrEnum):
    """Where a session stands."""

    CREATED = "created"
    RECORDING = "recording"
    CLOSED = "closed"


class NewSession(Struct, forbid_unknown_fields=True):
    """Body of POST /sessions; the resolution is [width, height] in pixels."""

    resolution: tuple[Pixels, Pixels]
    codec: Codec = "h264"


class SessionInfo(Struct):
    """A session as its owner sees it. `created_at` is in Unix seconds, `stored_bytes` counts what encryption adds."""

    id: str
    owner: str
    state: State
    resolution: tuple[int, int]
    codec: str
    chunks: int
    raw_bytes: int
    stored_bytes: int
    created_at: float


class SessionPage(Struct):
    """Sessions, newest first. `next` is the `after` of the next page, or null on the last one."""

    sessions: list[SessionInfo]
    next: int | None


class SessionQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /sessions."""

    limit: PageLimit = 20
    after: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class StoredChunk(Struct):
    """What became of a chunk; `reduction` is 1 - stored_bytes / raw_bytes."""

    sequence: int
    raw_bytes: int
    stored_bytes: int
    reduction: float


class ChunkTotals(Struct):
    """Chunks since the start, and how many of them are still kept; `kept_bytes` are stored bytes."""

    total: int
    raw_bytes: int
    stored_bytes: int
    kept: int
    kept_bytes: int
