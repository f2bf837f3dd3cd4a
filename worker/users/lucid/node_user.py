"""The users that are nodes of the platform."""

from __future__ import annotations

from typing import Any

from worker.users.lucid import replies
from worker.users.lucid.accounts import NODES
from worker.users.lucid.base import SignedInUser

_MODELS = (("Raspberry Pi 4 Model B", 4096), ("Raspberry Pi 5", 8192))


class NodeUser(SignedInUser):
    """A node of the platform: it registers once, then reports how it is, and sometimes looks at its neighbours."""

    wait_s = (5.0, 10.0)
    pool = NODES

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._registered = False

    def work(self) -> None:
        """Register, or report, or look around."""
        if not self._registered:
            self._register()
        elif self.random.random() < 0.85:
            self._report()
        else:
            self.call(
                "GET", "/nodes?limit=20", replies.NodePageReply, name="/nodes", check=lambda page: bool(page.nodes)
            )

    def _register(self) -> None:
        model, memory_mb = self.random.choice(_MODELS)
        node = {"name": self.username, "model": model, "cpu_count": 4, "memory_mb": memory_mb}
        registered = self.call(
            "POST",
            "/nodes",
            replies.NodeReply,
            body=node,
            expected=(201, 200),
            check=lambda node: node.name == self.username,
        )
        self._registered = registered is not None

    def _report(self) -> None:
        heartbeat = {
            "cpu_percent": round(self.random.uniform(5, 95), 1),
            "memory_percent": round(self.random.uniform(20, 80), 1),
            "temperature_c": round(self.random.uniform(40, 80), 1),
        }
        reported = self.call(
            "POST",
            f"/nodes/{self.username}/heartbeat",
            replies.NodeReply,
            name="/nodes/[name]/heartbeat",
            body=heartbeat,
            check=lambda node: (node.name, node.heartbeats > 0) == (self.username, True),
        )
        self._registered = reported is not None  # a target that began anew knows the node no more
