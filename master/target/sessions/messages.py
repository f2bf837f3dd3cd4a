"""What is sent and answered about sessions. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from master.target.api.messages import PageLimit
from master.target.sessions.states import State

Codec = Literal["h264", "h265", "vp9", "av1"]
Pixels = Annotated[int, Meta(ge=1, le=16384)]


class NewSession(Struct, forbid_unknown_fields=True):
    """Body of POST /sessions; the resolution is [width, height] in pixels. `server` asks for an RDP server to go with it."""

    resolution: tuple[Pixels, Pixels]
    codec: Codec = "h264"
    server: bool = False


class Recovery(Struct, forbid_unknown_fields=True):
    """Body of POST /sessions/[id]/recover: process the stored chunks once more, or record on, to send damaged chunks anew."""

    to: Literal["processing", "recording"] = "processing"


class SessionInfo(Struct):
    """A session as its owner sees it. Times are in Unix seconds, `stored_bytes` counts what encryption adds.

    `reduction` is 1 - stored_bytes / raw_bytes, or null without chunks; `root` is the Merkle root over the SHA-256 of the
    recorded chunks (RFC 6962), in hexadecimal, once they are processed, which took `processing_s`; `reason` says why a session
    failed, and `damaged` lists the first 100 chunks to send anew; `anchor` is the chain's transaction that holds the root, final in the block at
    `anchor_height`; `server` is the RDP server that was created with it.
    """

    id: str
    owner: str
    state: State
    resolution: tuple[int, int]
    codec: str
    chunks: int
    raw_bytes: int
    stored_bytes: int
    reduction: float | None
    created_at: float
    closed_at: float | None
    processing_s: float | None
    root: str | None
    reason: str | None
    damaged: list[int] | None
    anchor: str | None
    anchor_height: int | None
    server: str | None


class SessionPage(Struct):
    """Sessions, newest first. `next` is the `after` of the next page, or null on the last one."""

    sessions: list[SessionInfo]
    next: int | None


class SessionQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /sessions."""

    limit: PageLimit = 20
    after: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class StoredChunk(Struct):
    """What became of a chunk; `reduction` is 1 - stored_bytes / raw_bytes, `sha256` of what was recorded, in hexadecimal."""

    sequence: int
    raw_bytes: int
    stored_bytes: int
    reduction: float
    sha256: str


class ChunkProof(Struct):
    """The audit path (RFC 6962) from the SHA-256 of a chunk to the root of its session of so many chunks, in hexadecimal.

    `anchor` is the chain's transaction that holds the root, final in the block at `anchor_height`.
    """

    sequence: int
    sha256: str
    chunks: int
    path: list[str]
    root: str
    anchor: str | None
    anchor_height: int | None


class SessionStatistics(Struct):
    """Answer of GET /sessions/statistics, over the caller's sessions that are kept, or over all for an administrator.

    `by_state` counts the kept sessions; for an administrator the other figures hold those pruned to bound the store, too.
    `reduction` is 1 - stored_bytes / raw_bytes.
    """

    sessions: int
    by_state: dict[str, int]
    chunks: int
    raw_bytes: int
    stored_bytes: int
    reduction: float | None
    mean_processing_s: float | None


class ChunkTotals(Struct):
    """Chunks since the database was begun, and how many of them are still kept; `kept_bytes` are stored bytes."""

    total: int
    raw_bytes: int
    stored_bytes: int
    kept: int
    kept_bytes: int
