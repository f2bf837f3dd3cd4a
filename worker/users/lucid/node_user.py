"""The users that are nodes of the platform."""

from __future__ import annotations

from typing import Any

from worker.telemetry.figures import architecture, figures_of
from worker.users.lucid import replies
from worker.users.lucid.accounts import NODES
from worker.users.lucid.base import SignedInUser


class NodeUser(SignedInUser):
    """A node of the platform: it registers, is put into a pool, reports how it is, and sometimes looks around.

    Now and then it renews its registration, as a node does that was started anew.

    Its figures are those of the machine that it runs on, or of the board that a simulated node stands for.
    """

    wait_s = (5.0, 10.0)
    pool = NODES

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._figures = figures_of(environment)
        self._heartbeats = 0
        """Those that the target has counted."""
        self.registered = False
        """Whether the target knows the node."""

    def work(self) -> None:
        """Register, or report, or look around."""
        if not self.registered:
            self._register()
            return
        steps = (self._report, self._look_at_itself, self._look_around, self._register)
        (step,) = self.random.choices(steps, (16, 2, 1, 1))
        step()

    def _register(self) -> None:
        facts = self._figures.facts()
        node = {
            "name": self.username,
            "model": facts.model[:100],
            "cpu_count": facts.cpu_count,
            "memory_mb": facts.memory_bytes >> 20,
            "architecture": architecture(facts),
        }
        registered = self.call(
            "POST",
            "/nodes",
            replies.NodeReply,
            body=node,
            expected=(201, 200),
            check=lambda known: (
                (known.name, known.cpu_count, known.memory_mb) == (self.username, node["cpu_count"], node["memory_mb"])
                and bool(known.pool)
            ),
        )
        self._take(registered)

    def _report(self) -> None:
        reading = self._figures.latest()
        if reading is None:  # the node has only just been started
            return
        heartbeat: dict[str, Any] = {
            "cpu_percent": round(min(100.0, reading.cpu_percent), 1),
            "memory_percent": round(min(100.0, reading.memory_percent), 1),
            "temperature_c": None if reading.temperature_c is None else round(reading.temperature_c, 1),
        }
        if reading.network_received_bytes or reading.network_sent_bytes:
            heartbeat["network_received_bytes"] = reading.network_received_bytes
            heartbeat["network_sent_bytes"] = reading.network_sent_bytes
        path = f"/nodes/{self.username}/heartbeat"
        self._take(
            self.call(
                "POST",
                path,
                replies.NodeReply,
                name="/nodes/[name]/heartbeat",
                body=heartbeat,
                check=lambda node: node.name == self.username and node.heartbeats > self._heartbeats,
            )
        )

    def _look_at_itself(self) -> None:
        self._take(
            self.call(
                "GET",
                f"/nodes/{self.username}",
                replies.NodeReply,
                name="/nodes/[name]",
                check=lambda node: node.name == self.username and node.heartbeats >= self._heartbeats,
            )
        )

    def _look_around(self) -> None:
        self.call("GET", "/nodes?limit=20", replies.NodePageReply, name="/nodes", check=lambda page: bool(page.nodes))

    def _take(self, node: replies.NodeReply | None) -> None:
        """Remember what the target knows; one that began anew knows the node no more, so that it registers again."""
        self.registered = node is not None
        self._heartbeats = 0 if node is None else node.heartbeats
