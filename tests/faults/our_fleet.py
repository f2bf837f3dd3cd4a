"""A fleet master on its encrypted port, and racks of real workers and agents, on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gevent
import msgspec
import zmq.green as zmq
from locust.env import Environment
from visitor import Visitor

from master.fleet.master import FleetMaster, Listener
from master.fleet.server import FleetServer
from worker.simulation.orders import RackNode, RackOrders, SimulatedBoard
from worker.simulation.rack import Rack
from worker.wire.curve import Endpoint, Keys, connect, new_keys
from worker.wire.messages import AgentMessage, Hello, Ready, Welcome
from worker.wire.orders import WorkerSpec
from worker.wire.reports import Report
from worker.wire.rows import RowsRequest
from worker.wire.work import UserShare, Work

HERE = Path(__file__).parent
PERIOD_S = 1.0
RUN = "faults"
SHARES = {"Visitor": UserShare(weight=1)}


class Peer:
    """One connection to the master's port, which sends its identity before each message."""

    def __init__(self, socket: Any, identity: str) -> None:
        self._socket = socket
        self._identity = identity.encode()

    def send(self, message: bytes) -> None:
        # Who is refused has nowhere to send to.
        with contextlib.suppress(zmq.Again):
            self._socket.send_multipart([self._identity, message], zmq.NOBLOCK)

    def recv(self) -> bytes:
        return self._socket.recv()

    def poll(self, timeout_ms: int) -> int:
        return self._socket.poll(timeout_ms)


class Notes:
    """A listener that keeps each report once, welcomes every agent, and acknowledges reports to their workers."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[int, int]] = {}
        self.master: Any = None
        self.requests = 0
        """Requests that were reported."""
        self.server: Any = None

    def on_agent(self, node: str, message: AgentMessage) -> None:
        if isinstance(message, Hello):
            self.server.send_to_agent(node, Welcome(PERIOD_S))

    def on_worker_joined(self, node: str, worker: str, ready: Ready) -> int:
        del node
        known, taken = self._taken.get(worker, (ready.incarnation, 0))
        self._taken[worker] = (ready.incarnation, taken if known == ready.incarnation else 0)
        return self._taken[worker][1]

    def on_worker_gone(self, worker: str) -> None:
        pass

    def on_rows_request(self, worker: str, request: RowsRequest) -> None:
        pass

    def on_worker_left(self, node: str, worker: str) -> None:
        pass

    def on_users(self, node: str, users: bool) -> None:
        pass

    def on_order(self, worker: str, users: Mapping[str, int]) -> None:
        pass

    def credible_users(self, worker: str, users: Mapping[str, int]) -> Mapping[str, int]:
        del worker
        return users

    def on_report(self, worker: str, report: Report) -> None:
        incarnation, taken = self._taken[worker]
        new = report.number == taken + 1
        self._taken[worker] = (incarnation, taken + new)
        self.master.acknowledge(worker, taken + new)
        if not new:
            return
        self.requests += sum(entry.total for second in report.seconds for entry in second.endpoints)
        assert not report.exceptions, f"{worker}: {report.exceptions}"


class OurFleet:
    """A FleetMaster on a free port, which knows the keys of so many nodes, and their racks."""

    def __init__(self, nodes: int, listener: Listener | None = None) -> None:
        self.notes = Notes()
        self.keys = {f"pi{number}": new_keys() for number in range(1, nodes + 1)}
        self.server = FleetServer("127.0.0.1", 0, new_keys(), {pair.public: name for name, pair in self.keys.items()})
        self.notes.server = self.server
        environment = Environment(user_classes=[Visitor], stop_timeout=5)
        self.master = environment._create_runner(
            FleetMaster, server=self.server, listener=listener or self.notes, shares=SHARES, run=RUN
        )
        self.notes.master = self.master
        self._context = zmq.Context()
        self._processes: list[subprocess.Popen[bytes]] = []

    def rack(self, nodes: Sequence[str], port: int | None = None) -> None:
        """Start these nodes in this process, through `port` if given; they need not be connected yet."""
        gevent.spawn(Rack(self._orders(nodes, port)).run)

    def rack_process(self, nodes: Sequence[str], ahead_s: float = 0.0) -> None:
        """Start a process with these nodes, whose wall clock is ahead of this machine's; the process ends with this one."""
        process = subprocess.Popen(
            [sys.executable, str(HERE / "elsewhere.py"), str(ahead_s), "worker.simulation.rack"], stdin=subprocess.PIPE
        )
        process.stdin.write(msgspec.json.encode(self._orders(nodes, None)) + b"\n")
        process.stdin.flush()
        self._processes.append(process)  # its standard input must stay open

    def _orders(self, nodes: Sequence[str], port: int | None) -> RackOrders:
        return RackOrders(
            endpoint=Endpoint(f"tcp://127.0.0.1:{port or self.server.port}", self.server.endpoint.public_key),
            nodes=[
                RackNode(
                    WorkerSpec(name, int(name.removeprefix("pi")) - 1, self.keys[name]),
                    SimulatedBoard("pi5", "cooled", 25.0),
                )
                for name in nodes
            ],
            work=Work(
                run=RUN,
                users=SHARES,
                host="http://127.0.0.1",
                seed=1,
                stop_timeout_s=5.0,
                root=str(HERE),
                locustfiles=["visitor.py"],
            ),
        )

    def peer(self, identity: str, keys: Keys | None) -> Peer:
        """Return a peer with the master's address and public key, and these keys of its own (None: plain text)."""
        if keys is not None:
            return Peer(connect(self._context, self.server.endpoint, keys), identity)
        plain = self._context.socket(zmq.DEALER)
        plain.connect(self.server.endpoint.address)
        return Peer(plain, identity)

    @property
    def connected(self) -> int:
        """Return how many workers the master knows."""
        return len(self.master.clients)
