"""What is sent and answered about nodes and pools. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from master.target.api.messages import PageLimit
from master.target.nodes.liveness import NodeState

Percent = Annotated[float, Meta(ge=0, le=100)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
Architecture = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,32}\Z")]
CpuCount = Annotated[int, Meta(ge=1, le=4096)]
Megabytes = Annotated[int, Meta(ge=1, le=2**31)]
Least = Annotated[int, Meta(ge=0, le=2**31)]
ByteCount = Annotated[int, Meta(ge=0, le=2**62)]


class NewNode(Struct, forbid_unknown_fields=True):
    """Body of POST /nodes: the hardware as the node's system shows it. Megabytes are 2**20 bytes."""

    name: Name
    model: Annotated[str, Meta(min_length=1, max_length=100)]
    cpu_count: CpuCount
    memory_mb: Megabytes
    architecture: Architecture | None = None
    """As `uname -m` says it; by default that of the board, where the model is one that is known."""
    disk_mb: Megabytes | None = None
    """By default the smallest that is taken."""


class Heartbeat(Struct, forbid_unknown_fields=True):
    """Body of POST /nodes/[name]/heartbeat. The bytes are the system's counters since it was started."""

    cpu_percent: Percent
    memory_percent: Percent
    temperature_c: Annotated[float, Meta(ge=-55, le=150)] | None = None
    network_received_bytes: ByteCount | None = None
    network_sent_bytes: ByteCount | None = None


class RegisteredNode(Struct):
    """A registered node and its last heartbeat; times are in Unix seconds. `free_…` is what no RDP server has been given.

    The bytes per second are those between the last two heartbeats; null if the counters began anew in between.
    """

    name: str
    owner: str
    model: str
    architecture: str | None
    cpu_count: int
    memory_mb: int
    disk_mb: int
    pool: str
    is_pool_fixed: bool
    free_cpu_count: int
    free_memory_mb: int
    free_disk_mb: int
    registered_at: float
    heard_at: float
    heartbeats: int
    losses: int
    cpu_percent: float | None
    memory_percent: float | None
    temperature_c: float | None
    network_received_bytes: int | None
    network_sent_bytes: int | None
    network_received_bytes_per_s: float | None
    network_sent_bytes_per_s: float | None
    state: NodeState = NodeState.REGISTERED


class NodePage(Struct):
    """Nodes in the order of their names. `next` is the `after` of the next page, or null on the last one."""

    nodes: list[RegisteredNode]
    next: str | None


class NodeQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /nodes."""

    limit: PageLimit = 20
    after: Annotated[str, Meta(max_length=63)] = ""
    pool: Annotated[str, Meta(max_length=63)] | None = None


class NodeSample(Struct):
    """One heartbeat; `at` is in Unix seconds."""

    at: float
    cpu_percent: float
    memory_percent: float
    temperature_c: float | None
    network_received_bytes_per_s: float | None
    network_sent_bytes_per_s: float | None


class SamplePage(Struct):
    """Heartbeats of a node, newest first. `next` is the `before` of the next page, or null on the last one."""

    samples: list[NodeSample]
    next: float | None


class SampleQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /nodes/[name]/samples."""

    limit: PageLimit = 20
    before: Annotated[float, Meta(ge=0, le=1e12)] = 1e12


class WorkQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /nodes/[name]/work."""

    since: Annotated[float, Meta(ge=0, le=1e12)] = 0.0


class Work(Struct):
    """Answer of GET /nodes/[name]/work: what a node did since that time, but not before it registered.

    `server_s` is the time that RDP servers ran on it, summed over the servers. Heartbeats are counted as long as samples are
    kept; `losses` are all since it registered.
    """

    node: str
    owner: str
    is_alive: bool
    since: float
    until: float
    heartbeats: int
    server_s: float
    losses: int


class PoolChoice(Struct, forbid_unknown_fields=True):
    """Body of PUT /nodes/[name]/pool; null has the pool chosen by the hardware again."""

    pool: Name | None


class NewPool(Struct, forbid_unknown_fields=True):
    """Body of POST /pools: what a node must have to be taken."""

    name: Name
    min_cpu_count: Least = 0
    min_memory_mb: Least = 0
    min_disk_mb: Least = 0
    architecture: Architecture | None = None
    max_nodes: Annotated[int, Meta(ge=1, le=2**31)] | None = None


class PoolInfo(Struct):
    """A pool, and how many nodes are in it."""

    name: str
    min_cpu_count: int
    min_memory_mb: int
    min_disk_mb: int
    architecture: str | None
    max_nodes: int | None
    created_at: float
    nodes: int


class PoolList(Struct):
    """All pools by name."""

    pools: list[PoolInfo]


class NodeTotals(Struct):
    """Registered nodes, and those of them heard from of late."""

    total: int
    alive: int


class NodeStatistics(Struct):
    """Answer of GET /nodes/statistics, at most a second old.

    Percentages, temperature and bytes per second are of the nodes that are alive; `registrations_refused` counts since the
    process was started, `losses` how often a node was lost.
    """

    total: int
    alive: int
    lost: int
    registrations_refused: int
    heartbeats: int
    losses: int
    cpu_count: int
    memory_mb: int
    disk_mb: int
    free_cpu_count: int
    free_memory_mb: int
    free_disk_mb: int
    mean_cpu_percent: float | None
    mean_memory_percent: float | None
    max_temperature_c: float | None
    network_received_bytes_per_s: float
    network_sent_bytes_per_s: float
    nodes_by_pool: dict[str, int]
