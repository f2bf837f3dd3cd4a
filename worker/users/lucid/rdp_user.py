"""The users of RDP servers: they have one made for them, and connect to it."""

from __future__ import annotations

import contextlib
from typing import Any

from worker.users.lucid import replies
from worker.users.lucid.base import SignedInUser
from worker.users.lucid.rdp.client import RdpConnection
from worker.users.lucid.rdp.connection import TLS, RdpError
from worker.users.measured import FailedRequestError, measured, report

SERVER = {"cpu_count": 1, "memory_mb": 512, "disk_mb": 1024}
"""What a server is given of its node: a desktop for one."""
PROTOCOL = "RDP"
_FAILURES = (RdpError, OSError)


class RdpUser(SignedInUser):
    """Has an RDP server made and started, connects to it by RDP, looks after it, stops and deletes it, and starts over.

    Its connection is counted as `RDP connect` (TCP), `RDP request` (the first step of the connection sequence) and `RDP tls`, and
    stays open until the server is to be stopped. It waits, without asking for a server, while no node has room for one.
    """

    wait_s = (2.0, 5.0)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.server: replies.ServerReply | None = None
        self._connection: RdpConnection | None = None
        self._confirmed = 0
        self._looks_left = 0

    def on_stop(self) -> None:
        """Close the connection."""
        self._disconnect()

    def work(self) -> None:
        """The next step of its server's life."""
        server = self.server
        if server is None:
            if self._finds_room():
                self._create()
        elif server.state in {"created", "stopped"}:
            if self._confirmed:
                self._delete(server)
            else:
                self._change(server, "start", "running")
        elif self._connection is None:
            self._connect(server)
        elif self._looks_left:
            self._looks_left -= 1
            self._look_after(server)
        else:
            self._disconnect()
            self._change(server, "stop", "stopped")

    def _finds_room(self) -> bool:
        """Whether the nodes have room for several servers: others are asking, too."""
        room = self.call("GET", "/nodes/statistics", replies.NodeStatisticsReply)
        return room is not None and all(
            free >= 4 * needed
            for free, needed in zip(
                (room.free_cpu_count, room.free_memory_mb, room.free_disk_mb), SERVER.values(), strict=True
            )
        )

    def _create(self) -> None:
        self._confirmed, self._looks_left = 0, self.random.randint(2, 6)
        self.server = self.call(
            "POST",
            "/rdp/servers",
            replies.ServerReply,
            body=dict(SERVER),
            expected=(201,),
            check=lambda server: server.state == "created",
        )

    def _change(self, server: replies.ServerReply, action: str, becomes: str) -> None:
        self.server = self.call(
            "POST",
            f"/rdp/servers/{server.id}/{action}",
            replies.ServerReply,
            name=f"/rdp/servers/[id]/{action}",
            check=lambda changed: (
                (changed.id, changed.state) == (server.id, becomes) and (action != "start" or changed.port is not None)
            ),
        )

    def _connect(self, server: replies.ServerReply) -> None:
        assert server.port is not None  # it is running
        with contextlib.suppress(FailedRequestError):
            with measured(self, PROTOCOL, "connect", _FAILURES):
                self._connection = RdpConnection(server.host, server.port, self.connection_timeout)
            try:
                self._request(self._connection)
            except FailedRequestError:
                self._disconnect()

    def _request(self, connection: RdpConnection) -> None:
        try:
            confirm, latency_s = connection.request(self.username)
        except _FAILURES as error:
            report(self, PROTOCOL, "request", self.connection_timeout, error)
            raise FailedRequestError from error
        report(self, PROTOCOL, "request", latency_s, outside_loop=True)
        if confirm.protocol == TLS:
            with measured(self, PROTOCOL, "tls", _FAILURES):
                connection.start_tls()
        self._confirmed += 1

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look_after(self, server: replies.ServerReply) -> None:
        path = f"/rdp/servers/{server.id}"
        (look,) = self.random.choices(("usage", "read", "test"), (5, 3, 2))
        if look == "usage":
            self.call(
                "GET",
                f"{path}/usage",
                replies.ServerUsageReply,
                name="/rdp/servers/[id]/usage",
                check=lambda usage: usage.connections_now >= 1 and usage.confirmed >= self._confirmed,
            )
        elif look == "read":
            self.server = self.call(
                "GET",
                path,
                replies.ServerReply,
                name="/rdp/servers/[id]",
                check=lambda read: (read.id, read.state, read.port) == (server.id, "running", server.port),
            )
        else:
            self.call(
                "POST",
                f"{path}/test",
                replies.ServerTestReply,
                name="/rdp/servers/[id]/test",
                check=lambda tested: tested.reachable and tested.answer_ms is not None,
            )

    def _delete(self, server: replies.ServerReply) -> None:
        self.server = None
        self.call(
            "DELETE",
            f"/rdp/servers/{server.id}",
            replies.ServerReply,
            name="/rdp/servers/[id]",
            check=lambda deleted: (deleted.id, deleted.state) == (server.id, "deleted"),
        )
