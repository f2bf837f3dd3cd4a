"""What is sent and answered about RDP servers. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from master.target.api.messages import PageLimit
from master.target.rdp.protocol.connection import Security
from master.target.rdp.states import ServerState

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]


class NewServer(Struct, forbid_unknown_fields=True):
    """Body of POST /rdp/servers. Without `node` and `pool` it goes where it fits best. Megabytes are 2**20 bytes."""

    cpu_count: Annotated[int, Meta(ge=1, le=64)] = 1
    memory_mb: Annotated[int, Meta(ge=64, le=2**20)] = 512
    disk_mb: Annotated[int, Meta(ge=64, le=2**24)] = 1024
    security: Security = Security.NEGOTIATE
    node: Name | None = None
    pool: Name | None = None
    start: bool = False
    """Whether it is started at once."""


class ServerInfo(Struct):
    """An RDP server as its owner sees it; times are in Unix seconds.

    `port` is null until the server is started if the system chooses it. `reason` says why it stopped or failed, unless
    somebody asked for it. `session` is the session that it was made for.
    """

    id: str
    owner: str
    node: str
    session: str | None
    state: ServerState
    security: Security
    cpu_count: int
    memory_mb: int
    disk_mb: int
    host: str
    port: int | None
    reason: str | None
    created_at: float
    started_at: float | None
    stopped_at: float | None


class ServerPage(Struct):
    """RDP servers, newest first. `next` is the `after` of the next page, or null on the last one."""

    servers: list[ServerInfo]
    next: int | None


class ServerQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /rdp/servers."""

    limit: PageLimit = 20
    after: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class ServerUsage(Struct):
    """Answer of GET /rdp/servers/[id]/usage: what it has been given, and its connections over all its runs.

    `confirmed` connections agreed on security; `refused` ones were closed for what they sent, for time or for number.
    `running_s` is the time of the present run.
    """

    id: str
    state: ServerState
    cpu_count: int
    memory_mb: int
    disk_mb: int
    running_s: float
    connections_now: int
    connections: int
    confirmed: int
    refused: int
    received_bytes: int
    sent_bytes: int


class ConnectionTest(Struct):
    """Answer of POST /rdp/servers/[id]/test: what a client found that connected just now.

    `protocol` is the security that the server selected. `error` says what went wrong, and the times are then null.
    """

    reachable: bool
    protocol: str | None
    connect_ms: float | None
    answer_ms: float | None
    error: str | None


class ServerTotals(Struct):
    """RDP servers that there are, and those of them that run."""

    total: int
    running: int


class ServerStatistics(Struct):
    """Answer of GET /rdp/statistics. Totals are of all servers that ever were, also in earlier processes.

    Connections and bytes are at most some seconds short of what running servers have seen.
    """

    servers: dict[str, int]
    max_servers: int
    ports_taken: int
    allocated_cpu_count: int
    allocated_memory_mb: int
    allocated_disk_mb: int
    created: int
    started: int
    stopped: int
    failed: int
    deleted: int
    tests: int
    connections_now: int
    connections: int
    confirmed: int
    refused: int
    received_bytes: int
    sent_bytes: int
