"""A stock Locust master and stock workers, as Locust starts them, on loopback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gevent
import msgspec
import zmq.green as zmq
from locust import runners
from locust.env import Environment
from stock_workers import StockOrders
from visitor import Visitor

HERE = Path(__file__).parent
REPORT_INTERVAL_S = 0.5
"""In place of Locust's 3 s; nothing that is shown here depends on it."""


class StockFleet:
    """A MasterRunner on a free port, and its workers, in this process or in one of their own."""

    def __init__(self) -> None:
        runners.WORKER_REPORT_INTERVAL = REPORT_INTERVAL_S
        runners.CONNECT_TIMEOUT, runners.CONNECT_RETRY_COUNT = 1.0, 60
        self.environment = Environment(user_classes=[Visitor])
        self.environment.parsed_locustfiles = [str(HERE / "visitor.py")]
        self.master = self.environment.create_master_runner("127.0.0.1", 0)
        self.port: int = self.master.server.port
        self._context = zmq.Context()
        self._processes: list[subprocess.Popen[bytes]] = []

    def worker(self, port: int | None = None) -> Environment:
        """Start a worker in this process, through `port` if given; it need not be connected yet."""
        environment = Environment(user_classes=[Visitor])
        gevent.spawn(environment.create_worker_runner, "127.0.0.1", port or self.port)
        return environment

    def worker_process(self, workers: int, ahead_s: float = 0.0) -> None:
        """Start a process with so many workers, whose wall clock is ahead of this machine's; the process ends with this one."""
        process = subprocess.Popen(
            [sys.executable, str(HERE / "elsewhere.py"), str(ahead_s), "stock_workers"], stdin=subprocess.PIPE
        )
        process.stdin.write(msgspec.json.encode(StockOrders(self.port, workers, REPORT_INTERVAL_S)) + b"\n")
        process.stdin.flush()
        self._processes.append(process)  # its standard input must stay open

    def stranger(self, identity: str) -> Any:
        """Return a socket of a peer that has nothing but the master's address."""
        peer = self._context.socket(zmq.DEALER)
        peer.setsockopt(zmq.IDENTITY, identity.encode())
        peer.connect(f"tcp://127.0.0.1:{self.port}")
        return peer

    @property
    def connected(self) -> int:
        """Return how many workers the master knows."""
        return len(self.master.clients)
