"""A target that knows what it did: each request is answered after a time drawn beforehand, and how long it truly took is kept.

Started as a process of its own: `python truth_target.py RECORD`. It says `PORT` on stdout, answers GET of any path by the
service times of `SERVICES`, stalls for the seconds of each line on stdin, and when stdin closes writes RECORD: a line per
request of tab-separated path, mark, and the monotonic seconds of arrival, reading, due answer and answer.

A request has arrived when the kernel had its last byte (SO_TIMESTAMPNS), so that a late reading is in the truth as well;
it is answered when the answer's first byte is about to be handed to the kernel.
"""

from __future__ import annotations

import contextlib
import gc
import heapq
import math
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SEED = 20260301
SO_TIMESTAMPNS = 35
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
_LAST_ANSWER = _ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
_MOST_BYTES = 16384


def _mixed(dice: random.Random) -> float:
    """In ms: a shifted lognormal with a median of 28, and for one of sixteen another around 130."""
    return 12 + dice.lognormvariate(math.log(16), 0.45) if dice.random() < 15 / 16 else dice.lognormvariate(4.87, 0.25)


SERVICES: dict[str, Callable[[random.Random], float]] = {
    "/mixed": _mixed,
    "/fixed": lambda _: 20.0,
    "/closing": lambda _: 20.0,
}
"""How long an answer to each path takes, in ms. After `/closing` the target closes."""


class Served(NamedTuple):
    """One request. Times are monotonic seconds."""

    path: str
    mark: str
    """What followed the `?` of its target."""
    arrived_s: float
    read_s: float
    due_s: float
    answered_s: float


class _Peer:
    """One connection; a request at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.partial = b""


class Server:
    """Everything in one loop without greenlets or tasks: it must be what disturbs the truth least."""

    def __init__(self) -> None:
        self._dice = random.Random(SEED)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        # Accepted connections inherit it.
        self._listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._poll.register(0, select.EPOLLIN)
        self._peers: dict[int, _Peer] = {}
        self._due: list[tuple[float, int, _Peer, str, str, float, float]] = []
        self._number = 0
        self.served: list[Served] = []
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve until stdin is closed."""
        while True:
            wait_s = self._due[0][0] - time.monotonic() if self._due else 1.0
            for number, _ in self._poll.poll(max(0.0, wait_s)):
                if number == self._listener.fileno():
                    self._accept()
                elif number == 0:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    time.sleep(float(line))
                else:
                    self._read(number)
            while self._due and self._due[0][0] <= time.monotonic():
                self._answer()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._peers[sock.fileno()] = _Peer(sock)
                self._poll.register(sock.fileno(), select.EPOLLIN)

    def _read(self, number: int) -> None:
        peer = self._peers[number]
        try:
            data, extra, _, _ = peer.sock.recvmsg(_MOST_BYTES, 64)
        except BlockingIOError:
            return
        except ConnectionError:
            data, extra = b"", []
        read_s, wall_s = time.monotonic(), time.time()
        if not data:
            self._poll.unregister(number)
            del self._peers[number]
            peer.sock.close()
            return
        peer.partial += data
        if not peer.partial.endswith(b"\r\n\r\n"):
            return
        arrived_s = read_s
        for level, kind, value in extra:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                arrived_s = read_s - max(0.0, wall_s - seconds - nanoseconds / 1e9)
        path, _, mark = peer.partial.split(b" ", 2)[1].decode().partition("?")
        peer.partial = b""
        due_s = arrived_s + SERVICES[path](self._dice) / 1000
        self._number += 1  # no two peers are ever compared
        heapq.heappush(self._due, (due_s, self._number, peer, path, mark, arrived_s, read_s))

    def _answer(self) -> None:
        due_s, _, peer, path, mark, arrived_s, read_s = heapq.heappop(self._due)
        answered_s = time.monotonic()
        with contextlib.suppress(OSError):  # it has gone away
            peer.sock.send(_LAST_ANSWER if path == "/closing" else _ANSWER)
            self.served.append(Served(path, mark, arrived_s, read_s, due_s, answered_s))


def read_record(path: Path) -> list[Served]:
    """What a target has written down."""
    lines = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return [Served(where, mark, *map(float, times)) for where, mark, *times in lines]


def main() -> int:
    """Serve, then write the record."""
    gc.disable()  # a collection is a stall; what is kept for a minute fits in memory
    server = Server()
    print(server.port, flush=True)  # noqa: T201  # who started it waits for this
    server.run()
    lines = (f"{each.path}\t{each.mark}\t" + "\t".join(f"{at_s:.7f}" for at_s in each[2:]) for each in server.served)
    Path(sys.argv[1]).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
