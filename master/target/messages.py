"""Every JSON message of the API, in and out. Incoming ones are validated here and nowhere else; unknown fields are refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

Codec = Literal["h264", "h265", "vp9", "av1"]
PageLimit = Annotated[int, Meta(ge=1, le=100)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Pixels = Annotated[int, Meta(ge=1, le=16384)]


class Role(StrEnum):
    """What an account may do."""

    USER = "user"
    ADMIN = "admin"
    NODE = "node"


class State(StrEnum):
    """Where a session stands."""

    CREATED = "created"
    RECORDING = "recording"
    CLOSED = "closed"


class Login(Struct, forbid_unknown_fields=True):
    """Body of POST /auth/login."""

    username: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=256)]


class Token(Struct):
    """A sign-in that worked. The token is good for `expires_in_s` seconds."""

    token: str
    token_type: str
    expires_in_s: int
    role: Role


class Me(Struct):
    """Who the token belongs to. `expires_at` is in Unix seconds."""

    username: str
    role: Role
    expires_at: int


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


class NewNode(Struct, forbid_unknown_fields=True):
    """Body of POST /nodes."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
    model: Annotated[str, Meta(min_length=1, max_length=100)]
    cpu_count: Annotated[int, Meta(ge=1, le=4096)]
    memory_mb: Annotated[int, Meta(ge=1, le=2**31)]


class Heartbeat(Struct, forbid_unknown_fields=True):
    """Body of POST /nodes/[name]/heartbeat."""

    cpu_percent: Percent
    memory_percent: Percent
    temperature_c: Annotated[float, Meta(ge=-55, le=150)] | None = None


class RegisteredNode(Struct):
    """A registered node and its last heartbeat; times are in Unix seconds."""

    name: str
    owner: str
    model: str
    cpu_count: int
    memory_mb: int
    registered_at: float
    heard_at: float
    heartbeats: int
    cpu_percent: float | None
    memory_percent: float | None
    temperature_c: float | None


class NodePage(Struct):
    """Nodes in the order of their names. `next` is the `after` of the next page, or null on the last one."""

    nodes: list[RegisteredNode]
    next: str | None


class NodeQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /nodes."""

    limit: PageLimit = 20
    after: Annotated[str, Meta(max_length=63)] = ""


class ChunkTotals(Struct):
    """Chunks since the start, and how many of them are still kept; `kept_bytes` are stored bytes."""

    total: int
    raw_bytes: int
    stored_bytes: int
    kept: int
    kept_bytes: int


class NodeTotals(Struct):
    """Registered nodes, and those of them heard from of late."""

    total: int
    alive: int


class Statistics(Struct):
    """Answer of GET /admin/statistics. `sessions` counts the kept ones by state."""

    sessions: dict[str, int]
    chunks: ChunkTotals
    nodes: NodeTotals


class Health(Struct):
    """Answer of GET /health."""

    status: str
    uptime_s: float
    version: str
