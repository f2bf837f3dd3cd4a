"""A target that answers each request after a time that is drawn, on a machine that is now and then a little slower.

`python timed_target.py SEED FACTOR` prints its port, answers GET of any path until its standard input closes, and takes FACTOR times
as long for everything: by exactly so much one such target is slower than another. What it draws follows from SEED.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys

MEDIANS_MS = {"/catalogue": 20.0, "/item": 35.0, "/search": 60.0, "/basket": 30.0}
"""By path; others take as long as the first."""
SPREAD = 0.35
"""Standard deviation of the logarithm of the time that an answer takes, in one state."""
WANDER, AUTOCORRELATION = 0.04, 0.8
"""That of the state, and how much of it is left after a second."""
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class _Connection(asyncio.Protocol):
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio.Protocol."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """As asyncio.Protocol; a request has no body."""
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, self._data = self._data.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode().partition("?")[0]
            asyncio.get_running_loop().call_later(self._machine.draw_s(path), self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)  # type: ignore[attr-defined]  # of a connection it is one that writes


class Machine:
    """How long answers take."""

    def __init__(self, seed: int, factor: float) -> None:
        self._dice = random.Random(seed)
        self._factor = factor
        self._state = self._dice.gauss()

    def draw_s(self, path: str) -> float:
        """How long the answer to the next request of `path` takes, in seconds."""
        log = math.log(MEDIANS_MS.get(path, MEDIANS_MS["/catalogue"])) + WANDER * self._state
        return self._factor * self._dice.lognormvariate(log, SPREAD) / 1000

    async def go_on(self) -> None:
        """Change the state once a second."""
        while True:
            await asyncio.sleep(1)
            self._state = AUTOCORRELATION * self._state + math.sqrt(1 - AUTOCORRELATION**2) * self._dice.gauss()


async def _serve(machine: Machine) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(machine), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # who started it reads it
    changing = asyncio.create_task(machine.go_on())
    await loop.run_in_executor(None, sys.stdin.read)
    changing.cancel()
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(Machine(int(sys.argv[1]), float(sys.argv[2]))))
