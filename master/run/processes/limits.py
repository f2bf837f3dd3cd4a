"""Limits of this machine (open files, local ports), and warnings where a run needs more."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from master.run.processes.local import MAX_RACKS

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
BASE_FILES = 64
"""Open files of a process beside its connections: modules, pipes, databases, event loops."""
FILES_PER_NODE = 6
"""Of a simulated node in its process: a connection of its agent and one of its worker, each with what ZeroMQ needs for it."""


def files_needed(users: int, nodes: int, *, simulated: bool, separate_processes: bool, embedded: bool) -> int:
    """Estimated open files of the process of this machine that needs most. Pure but for the number of cores."""
    needed = [2 * nodes]  # the controller: a connection of each node's agent, and one of its worker
    if embedded:
        needed.append(users)
    if simulated:
        processes = nodes if separate_processes else min(nodes, os.cpu_count() or 1, MAX_RACKS)
        needed.append(-(-users // max(processes, 1)) + FILES_PER_NODE * -(-nodes // max(processes, 1)))
    return max(needed) + BASE_FILES


def limit_warnings(
    users: int, nodes: int, *, simulated: bool, separate_processes: bool, embedded: bool
) -> Iterator[str]:
    """Warnings before the start; none where the limits suffice."""
    needed = files_needed(users, nodes, simulated=simulated, separate_processes=separate_processes, embedded=embedded)
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        yield (
            f"a process may have {allowed} files open here, and one of this run needs about {needed} for {users} users and "
            f"{nodes} nodes: raise the limit (ulimit -n {needed}, as root or in /etc/security/limits.conf), or ask for fewer users"
        )
    ports = local_port_count()
    if simulated and ports is not None and ports < users:
        yield (
            f"this machine has {ports} local ports for outgoing connections, fewer than the {users} users asked for: widen the "
            "range (sysctl net.ipv4.ip_local_port_range='1024 65535'), or ask for fewer users"
        )


def local_port_count() -> int | None:
    """Number of local ports for outgoing connections, the limit of connections to one address and port; None where it is unknown."""
    try:
        first, last = map(int, _PORTS.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None
    return last - first + 1
