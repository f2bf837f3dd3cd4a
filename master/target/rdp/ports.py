"""The ports that RDP servers listen on. Pure: whether the system lets a port be bound is for the caller to find out.

The default range lies below those that systems give to outgoing connections (Linux: 32768 and above), so that no client
of the machine sits on one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class PortRange(NamedTuple):
    """Ports from `first` to `last`. Port 0 alone stands for whichever the system finds free."""

    first: int
    last: int

    def __str__(self) -> str:
        return "0" if self.is_system else f"{self.first}-{self.last}"

    @property
    def is_system(self) -> bool:
        """Whether the system chooses."""
        return self.first == 0

    @property
    def size(self) -> int:
        """How many ports there are."""
        return self.last - self.first + 1


DEFAULT_PORTS = PortRange(20_000, 21_999)
SYSTEM_PORTS = PortRange(0, 0)


def parse_port_range(text: str) -> PortRange:
    """Parse `20000-21999`, or `0` for ports that the system chooses. Raises ValueError, which says what is expected."""
    first, dash, last = text.partition("-")
    if text == "0":
        return SYSTEM_PORTS
    if not (dash and first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise ValueError(f"{text!r} is no range of ports such as 20000-21999, nor 0")
    found = PortRange(int(first), int(last))
    if not 1024 <= found.first <= found.last <= 65_535:
        raise ValueError(f"{text!r} is not within 1024-65535, or ends before it begins")
    return found


class PortPool:
    """Gives out the ports of a range, the longest unused first, so that a client of a deleted server meets no new one."""

    def __init__(self, ports: PortRange, begin: int = 0) -> None:
        """`begin` is counted from the range's first port: targets that share a range begin at different ones."""
        self.ports = ports
        self._taken: set[int] = set()
        self._next = ports.first + begin % ports.size

    @property
    def taken(self) -> int:
        """How many ports are given out."""
        return len(self._taken)

    def candidates(self) -> Iterator[int]:
        """Each port that is not given out, once, in the order in which they are to be tried. Port 0 for the system's."""
        if self.ports.is_system:
            yield 0
            return
        begin = self._next
        for step in range(self.ports.size):
            port = self.ports.first + (begin - self.ports.first + step) % self.ports.size
            if port not in self._taken:
                yield port

    def take(self, port: int) -> None:
        """Note that a server has `port`. Raises ValueError if another one has it."""
        if port in self._taken:
            raise ValueError(f"port {port} is taken")
        self._taken.add(port)
        if self.ports.first <= port <= self.ports.last:
            self._next = self.ports.first + (port - self.ports.first + 1) % self.ports.size

    def give_back(self, port: int) -> None:
        """Let a port be given out again."""
        self._taken.discard(port)
