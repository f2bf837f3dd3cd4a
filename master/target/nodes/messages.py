"""What is sent and answered about nodes. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from master.target.api.messages import PageLimit

Percent = Annotated[float, Meta(ge=0, le=100)]


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


class NodeTotals(Struct):
    """Registered nodes, and those of them heard from of late."""

    total: int
    alive: int
