"""Free ports of loopback for servers that a test starts later, or stops and starts again."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

RANGE = range(22_000, 32_000)
"""Above those of the embedded target's RDP servers, and below those that systems give to connections (Linux: from 32768), any of which may be taken at any moment."""


def free_ports(count: int = 1) -> int:
    """The first of `count` ports in a row that nobody listens on."""
    dice = random.Random()
    for _ in range(100):
        first = dice.randrange(RANGE.start, RANGE.stop - count)
        with ExitStack() as bound:
            try:
                for port in range(first, first + count):
                    bound.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError(f"no {count} free ports in a row in {RANGE}")
