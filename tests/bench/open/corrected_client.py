"""wrk2's documented algorithm as a client of its own: `python corrected_client.py URL RATE_PER_S CONNECTIONS DURATION_S`.

So many connections send at a constant throughput, together RATE_PER_S; one whose answer is late sends at once what it should have sent
meanwhile, and each latency counts from when the request should have been sent. An answer has come when the kernel had it. Prints a JSON
line when the load begins, and at the end the due time, sending and answer of each request, in seconds since then.
"""

from __future__ import annotations

import gc
import heapq
import json
import select
import socket
import struct
import sys
import time
from urllib.parse import urlsplit

_SO_TIMESTAMPNS = 35
_MAX_BYTES = 4096
_SPIN_S = 0.0015
"""epoll sleeps in whole milliseconds; the last one before a request is due is not slept."""
_END = b"\r\n\r\nok\n"


class _Connection:
    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.sock.setblocking(False)
        self.due_s = 0.0
        self.sent_s = 0.0


class Client:
    """All connections in one loop; `requests` has the due time, sending and answer of each request, by the monotonic clock."""

    def __init__(self, url: str, rate_per_s: float, connections: int) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self._period_s = connections / rate_per_s
        self._spacing_s = 1 / rate_per_s
        self._poll = select.epoll()
        self._connections = {}
        for _ in range(connections):
            connection = _Connection((parts.hostname, parts.port))
            self._connections[connection.sock.fileno()] = connection
            self._poll.register(connection.sock.fileno(), select.EPOLLIN)
        self.requests: list[tuple[float, float, float]] = []

    def run(self, duration_s: float) -> float:
        """Send for so long, then wait for what is on its way; return when the load began."""
        began_s = time.monotonic() + 0.1
        due = []
        for number, connection in enumerate(self._connections.values()):
            connection.due_s = began_s + (number + 0.5) * self._spacing_s
            due.append((connection.due_s, connection.sock.fileno()))
        end_s, on_the_way = began_s + duration_s, 0
        while on_the_way or (due and due[0][0] < end_s):
            now_s = time.monotonic()
            while due and due[0][0] <= now_s and due[0][0] < end_s:
                connection = self._connections[heapq.heappop(due)[1]]
                connection.sent_s = time.monotonic()
                connection.sock.send(self._request)
                on_the_way += 1
            wait_s = min(1.0, due[0][0] - time.monotonic() - _SPIN_S) if due and due[0][0] < end_s else 1.0
            for number, _ in self._poll.poll(max(0.0, wait_s)):
                connection = self._connections[number]
                self.requests.append((connection.due_s, connection.sent_s, self._answered_s(connection)))
                on_the_way -= 1
                connection.due_s += self._period_s
                heapq.heappush(due, (connection.due_s, number))
        return began_s

    @staticmethod
    def _answered_s(connection: _Connection) -> float:
        data, extra, _, _ = connection.sock.recvmsg(_MAX_BYTES, 64)
        read_s, wall_s = time.monotonic(), time.time()
        if not data.startswith(b"HTTP/1.1 200 ") or not data.endswith(_END):
            sys.exit(f"a wrong answer: {data!r}")
        for level, kind, value in extra:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                return read_s - max(0.0, wall_s - seconds - nanoseconds / 1e9)
        return read_s


def main() -> None:
    """Do what the arguments say."""
    url, rate_per_s, connections, duration_s = sys.argv[1:]
    client = Client(url, float(rate_per_s), int(connections))
    gc.disable()  # a collection is a stall of its own
    print("{}", flush=True)  # noqa: T201  # the contract with the parent
    began_s = client.run(float(duration_s))
    print(json.dumps([[at_s - began_s for at_s in each] for each in client.requests]))  # noqa: T201


if __name__ == "__main__":
    main()
