"""A target that knows what it did: each request is answered after a time drawn beforehand, and how long it truly took is kept.

Started as a process of its own: `python truth_target.py RECORD`. It says `PORT` on stdout, answers GET of any path by the
service times of `SERVICES`, obeys each line on stdin, and when stdin closes writes RECORD: a line per request of
tab-separated path, mark, the monotonic seconds of arrival, reading, due answer and end, and 1 if it was answered, else 0.

It is told `stall SECONDS`, to do nothing for so long; `hang PATH` or `hang half`, to answer requests of that path, or those on
every other connection, no more; `pause SECONDS` or `pause SECONDS EVERY`, to hold the answers to what arrives in so many seconds from
now on until they are over, once or every so many seconds; `spin on`, to be exact to less than epoll's millisecond, for more CPU time.

A request has arrived when the kernel had its last byte (SO_TIMESTAMPNS), so that a late reading is in the truth as well;
it is answered when the answer's first byte is about to be handed to the kernel. One that is not answered ends when the kernel
was told that the connection is closed, even if this process was stopped then.
"""

from __future__ import annotations

import contextlib
import gc
import heapq
import math
import os
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1]))  # where the tests keep what they share

from stalls import NEVER, Stalls

SEED = 20260301
SO_TIMESTAMPNS = 35
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
_LAST_ANSWER = _ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
_MAX_BYTES = 16384
_TCP_INFO = "=B51xII"
"""Of the kernel's TCP_INFO: the state, and how many ms ago it last had data, and any packet, of the other end (tcpi_last_data_recv,
tcpi_last_ack_recv), to a tick of a few ms."""
_CLOSE_WAIT = 8
_LONG_S = 0.5
"""What is late by more than this may be for nobody any more."""


def _mixed(dice: random.Random) -> float:
    """Return service times in ms: a shifted lognormal with a median of 28, and for one of sixteen another around 130."""
    return 12 + dice.lognormvariate(math.log(16), 0.45) if dice.random() < 15 / 16 else dice.lognormvariate(4.87, 0.25)


SERVICES: dict[str, Callable[[random.Random], float]] = {
    "/mixed": _mixed,
    "/fixed": lambda _: 20.0,
    "/closing": lambda _: 20.0,
    "/slow": lambda _: 100.0,
    "/slower": lambda _: 200.0,
}
"""How long an answer to each path takes, in ms. After `/closing` the target closes."""


class Served(NamedTuple):
    """One request, with its times in monotonic seconds."""

    path: str
    mark: str
    """What followed the `?` of its target."""
    arrived_s: float
    read_s: float
    due_s: float
    ended_s: float
    answered: bool = True
    """Whether it ended with an answer, and not by being given up."""


class _Peer:
    """One connection, with one request at a time."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        """How many were accepted before it."""
        self.partial = b""
        self.asked: Served | None = None
        """The request that has no answer yet; its end is not known."""


class Server:
    """A server in one loop without greenlets or tasks, since it must disturb the truth least."""

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
        self._due: list[tuple[float, int, _Peer]] = []
        self._number = 0
        self._accepted = 0
        self._hanging = ""
        self._pauses = NEVER
        self._spin_s = 0.0
        """How long before an answer is due it does not sleep."""
        self.served: list[Served] = []
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve until stdin is closed."""
        while True:
            wait_s = self._due[0][0] - self._spin_s - time.monotonic() if self._due else 1.0
            for number, _ in self._poll.poll(max(0.0, wait_s)):
                if number == self._listener.fileno():
                    self._accept()
                elif number == 0:
                    # Not by sys.stdin, which would keep the second of two lines to itself.
                    told = os.read(0, _MAX_BYTES).decode()
                    if not told:
                        self._read_the_rest()
                        return
                    for line in told.splitlines():
                        self._obey(*line.split())
                else:
                    self._read(number)
            while self._due and self._due[0][0] <= time.monotonic():
                self._answer()

    def _obey(self, what: str, how: str, *more: str) -> None:
        if what == "stall":
            time.sleep(float(how))
        elif what == "pause":
            self._pauses = Stalls(time.monotonic(), float(how), *map(float, more))
        elif what == "spin":
            self._spin_s = 0.001
        else:
            self._hanging = how

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._peers[sock.fileno()] = _Peer(sock, self._accepted)
                self._accepted += 1
                self._poll.register(sock.fileno(), select.EPOLLIN)

    def _read_the_rest(self) -> None:
        """Note which connections have been closed."""
        for number in list(self._peers):
            while number in self._peers and self._read(number):
                pass

    def _read(self, number: int) -> bool:
        """Read what has come on a connection; return whether anything had."""
        peer = self._peers[number]
        try:
            data, extra, _, _ = peer.sock.recvmsg(_MAX_BYTES, 64)
        except BlockingIOError:
            return False
        except ConnectionError:
            data, extra = b"", []
        read_s, wall_s = time.monotonic(), time.time()
        if not data:
            if peer.asked is not None:
                self.served.append(peer.asked._replace(ended_s=read_s - _told(peer.sock).silent_s, answered=False))
                peer.asked = None
            self._poll.unregister(number)
            del self._peers[number]
            peer.sock.close()
            return True
        peer.partial += data
        if not peer.partial.endswith(b"\r\n\r\n"):
            return True
        arrived_s = read_s
        for level, kind, value in extra:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                arrived_s = read_s - max(0.0, wall_s - seconds - nanoseconds / 1e9)
        if read_s - arrived_s > _LONG_S and (told := _told(peer.sock)).closed:
            arrived_s = (
                read_s - told.no_data_s
            )  # the note is of the last packet, which has no data but closes the connection
        path, _, mark = peer.partial.split(b" ", 2)[1].decode().partition("?")
        peer.partial = b""
        due_s = self._pauses.answer_s(arrived_s, SERVICES[path](self._dice) / 1000)
        peer.asked = Served(path, mark, arrived_s, read_s, due_s, math.inf)
        self._number += 1  # no two peers are ever compared
        heapq.heappush(self._due, (due_s, self._number, peer))
        return True

    def _answer(self) -> None:
        due_s, _, peer = heapq.heappop(self._due)
        answered_s = time.monotonic()
        if answered_s - due_s > _LONG_S and peer.asked is not None:
            self._read(peer.sock.fileno())
        asked = peer.asked
        if asked is None or self._hangs(peer, asked.path):
            return
        peer.asked = None
        with contextlib.suppress(OSError):  # it has gone away
            peer.sock.send(_LAST_ANSWER if asked.path == "/closing" else _ANSWER)
            self.served.append(asked._replace(ended_s=answered_s))

    def _hangs(self, peer: _Peer, path: str) -> bool:
        return self._hanging == path or (self._hanging == "half" and peer.number % 2 == 0)


class _Told(NamedTuple):
    """What the kernel tells of a connection."""

    closed: bool
    """Whether the other end has closed it."""
    no_data_s: float
    """For how long no data has come."""
    silent_s: float
    """For how long nothing at all has come: on one that is closed, since when it is."""


def _told(sock: socket.socket) -> _Told:
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, struct.calcsize(_TCP_INFO))
    state, no_data_ms, silent_ms = struct.unpack(_TCP_INFO, told)
    return _Told(state == _CLOSE_WAIT, no_data_ms / 1000, silent_ms / 1000)


def read_record(record: Path) -> list[Served]:
    """Return the record that a target has written."""
    lines = (line.split("\t") for line in record.read_text(encoding="utf-8").splitlines())
    return [Served(path, mark, *map(float, times), answered == "1") for path, mark, *times, answered in lines]


def main() -> int:
    """Serve, then write the record."""
    gc.disable()  # a collection is a stall; what is kept for a minute fits in memory
    server = Server()
    print(server.port, flush=True)  # noqa: T201  # who started it waits for this
    server.run()
    lines = (
        f"{each.path}\t{each.mark}\t" + "\t".join(f"{at_s:.7f}" for at_s in each[2:6]) + f"\t{each.answered:d}"
        for each in server.served
    )
    Path(sys.argv[1]).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
