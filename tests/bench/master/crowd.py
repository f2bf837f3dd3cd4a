"""The process that plays all peers of a master: one loop, thousands of connections.

Obeys lines on standard input, and answers each with a line of JSON; ends when standard input closes.

    connect       open all connections
    load N        report requests to N endpoints; answered once every worker has done so
    late          by how much the latest of what was due since the last `load` or `late` was late
    stop          report no more; answered with the requests that were reported
    kept          whether the master has said that it keeps all reports (true where it never says so)
"""

from __future__ import annotations

# Importing Locust patches the standard library for gevent, which takes epoll away.
from select import EPOLLIN, epoll  # isort: skip

import argparse
import json
import sys
import time
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import zmq
from peers import PEERS, Door, Peer, Record, Worker

MAX_WAIT_S = 0.05


class Crowd:
    """All peers of one master."""

    def __init__(self, kind: str, workers: int, door: Path) -> None:
        self._make = PEERS[kind]
        self._count = workers
        self._door = door
        self._context = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, 2 * workers + 64)
        self._epoll = epoll()
        self._by_fd: dict[int, int] = {}
        self._peers: list[Peer] = []
        self._workers: list[Worker] = []
        self._record: Record | None = None
        self._agenda: list[tuple[float, int]] = []
        self._due_s: list[float] = []
        self._late_s = 0.0
        self._wanted: int | None = None

    def run(self) -> None:
        """Play until standard input closes."""
        stdin = sys.stdin.fileno()
        self._epoll.register(stdin, EPOLLIN)
        say({"up": True})
        while True:
            wait_s = self._agenda[0][0] - time.monotonic() if self._agenda else MAX_WAIT_S
            for fd, _ in self._epoll.poll(max(0.0, min(wait_s, MAX_WAIT_S))):
                if fd == stdin:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    self._obey(*line.split())
                else:
                    self._step(self._by_fd[fd])
            self._do_what_is_due()
            self._tell_when_loaded()

    def _do_what_is_due(self) -> None:
        now_s = time.monotonic()
        while self._agenda and self._agenda[0][0] <= now_s:
            due_s, number = heappop(self._agenda)
            if due_s == self._due_s[number]:  # not done already, when something came
                self._late_s = max(self._late_s, now_s - due_s)
                self._step(number)

    def _step(self, number: int) -> None:
        peer = self._peers[number]
        wait_s = peer.step()
        # Its descriptor may have gone quiet while it was sending, with messages waiting.
        while peer.socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            wait_s = peer.step()
        due_s = time.monotonic() + max(0.0, wait_s)
        if due_s != self._due_s[number]:
            self._due_s[number] = due_s
            heappush(self._agenda, (due_s, number))

    def _obey(self, word: str, *rest: str) -> None:
        match word:
            case "connect":
                self._connect()
                say({"peers": len(self._peers)})
            case "load":
                self._wanted = self._record.endpoints = int(rest[0])
                for worker in self._workers:
                    worker.endpoints = -1
            case "late":
                say({"late_s": self._late_s})
                self._late_s = 0.0
            case "stop":
                self._record.closed = True
                say({"requests": sum(worker.requests for worker in self._workers)})
            case "kept":
                say({"kept": all(worker.kept for worker in self._workers)})

    def _connect(self) -> None:
        self._record, self._peers, self._workers = self._make(self._context, Door.read(self._door), self._count)
        self._due_s = [0.0] * len(self._peers)
        for number, peer in enumerate(self._peers):
            fd = peer.socket.getsockopt(zmq.FD)
            self._by_fd[fd] = number
            self._epoll.register(fd, EPOLLIN)
            self._step(number)

    def _tell_when_loaded(self) -> None:
        if self._wanted is not None and all(worker.endpoints == self._wanted for worker in self._workers):
            self._wanted, self._late_s = None, 0.0
            say({"loaded": True})


def say(figures: dict[str, Any]) -> None:
    """One line for the parent."""
    print(json.dumps(figures), flush=True)  # noqa: T201  # the contract with the parent


def main() -> None:
    """Play the peers that the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=PEERS)
    parser.add_argument("workers", type=int)
    parser.add_argument("door", type=Path)
    options = parser.parse_args()
    Crowd(options.kind, options.workers, options.door).run()


if __name__ == "__main__":
    main()
