"""What is measured: each case by each way, in rounds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CASES = {
    "first": "nothing of a release is on the host",
    "again": "nothing has changed",
    "upgrade": "one file of the release has changed",
}
"""In this order: each begins with what the one before it has left."""
WAYS = ("ours", "ansible")


@dataclass(frozen=True)
class Cost:
    """What one command took. CPU is that of its process and all that it started, ssh and its masters included."""

    seconds: float
    cpu_s: float
    hosts_cpu_s: float
    """Of all that ran on the hosts meanwhile, all hosts together."""
    to_hosts_bytes: int
    """On the wire, to all hosts together, as the bridge's interface counts it: archives, commands, and what SSH adds to them."""
    from_hosts_bytes: int


@dataclass(frozen=True)
class Round:
    """One case, by one way, on so many hosts. Where `error` says why it is none, there are no costs."""

    round: int
    hosts: int
    way: str
    case: str
    cost: Cost | None = None
    error: str | None = None
    release_bytes: int | None = None
    """Of archives, as `fab` tells it; a playbook does not."""


def order(hosts: Sequence[int], rounds: int) -> Iterator[tuple[int, int, str]]:
    """Round, number of hosts and way: both ways in each round, the other one first in each second."""
    for number in range(rounds):
        for count in hosts:
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                yield number, count, way
