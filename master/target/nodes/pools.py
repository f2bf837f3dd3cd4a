"""Which pool a node belongs to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from master.target.nodes.hardware import Hardware, architecture_of

DEFAULT_POOL = "default"
"""Takes whatever no other pool does; it is always there."""


class Pool(NamedTuple):
    """What a pool asks of its nodes, and how many it takes; `max_nodes` None: any number."""

    name: str
    min_cpu_count: int = 0
    min_memory_mb: int = 0
    min_disk_mb: int = 0
    architecture: str | None = None
    max_nodes: int | None = None
    created_at: float = 0.0
    """Unix seconds."""


def find_shortfalls(pool: Pool, hardware: Hardware) -> list[str]:
    """What of `hardware` the pool does not take, one phrase each; empty if the node may be in it."""
    found = []
    if hardware.cpu_count < pool.min_cpu_count:
        found.append(f"cpu_count {hardware.cpu_count} is below {pool.min_cpu_count}")
    if hardware.memory_mb < pool.min_memory_mb:
        found.append(f"memory_mb {hardware.memory_mb} is below {pool.min_memory_mb}")
    if (hardware.disk_mb or 0) < pool.min_disk_mb:
        found.append(f"disk_mb {hardware.disk_mb or 'unknown'} is below {pool.min_disk_mb}")
    if pool.architecture is not None and architecture_of(hardware) != pool.architecture:
        found.append(f"architecture {architecture_of(hardware) or 'unknown'} is not {pool.architecture}")
    return found


def is_full(pool: Pool, node_count: int) -> bool:
    """Whether a pool of `node_count` nodes takes no more."""
    return pool.max_nodes is not None and node_count >= pool.max_nodes


def assign_pool(pools: Iterable[Pool], node_counts: Mapping[str, int], hardware: Hardware) -> str:
    """The pool that a node with this hardware is put into: the one that asks for the most of those that take it.

    Memory counts first, then cores, storage and architecture; among pools that ask for the same the first by name.
    """
    fitting = [
        pool
        for pool in pools
        if not find_shortfalls(pool, hardware) and not is_full(pool, node_counts.get(pool.name, 0))
    ]
    fitting.sort(key=lambda pool: pool.name)
    return max(fitting, key=_demand).name if fitting else DEFAULT_POOL


def _demand(pool: Pool) -> tuple[int, int, int, bool]:
    return pool.min_memory_mb, pool.min_cpu_count, pool.min_disk_mb, pool.architecture is not None
