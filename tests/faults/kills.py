"""A part of the nodes is killed in mid-run, agents and workers at once."""

from __future__ import annotations

import time
from typing import Any

from finding import Finding
from our_run import finish, from_store, nodes_of, running, users_after, wait_for

USERS_EACH = 4
MOVED_WITHIN_S = 5.0
VISITOR = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.2)

    @task
    def health(self):
        self.client.get("/health")
"""


def run_of(nodes: int, hold_s: int = 15) -> dict[str, Any]:
    """Return a scenario with so many nodes."""
    return {
        "nodes": {"expect": nodes, "min": 1},
        "load": [{"users": USERS_EACH * nodes, "spawn_rate": 50, "hold": f"{hold_s}s"}],
        "thresholds": ["errors <= 100 %"],
    }


def kill_nodes(nodes: int, killed: int) -> Finding:
    """Kill so many of the nodes, and find what becomes of all users."""
    users = USERS_EACH * nodes
    with running(VISITOR, "--separate", **run_of(nodes)) as started:
        started.wait_for("stage 1 of 1")
        wait_for(lambda: users_after(started, 0).get(3) == users or None, "all users")
        victims = nodes_of(started)[:killed]
        at_s = max(users_after(started, 0))
        died_s = time.monotonic()
        for process in (process for node in victims for process in node):
            process.kill()

        def all_lost() -> bool | None:
            events = from_store(started, lambda store: store.events())
            return sum(event.kind == "lost" for event in events) == killed or None

        wait_for(all_lost, "the loss")
        noticed_s = time.monotonic() - died_s
        wait_for(lambda: users_after(started, at_s + 2).get(int(at_s + noticed_s) + 3) or None, "the seconds after it")
        after = users_after(started, at_s)
        whole_s = min(
            (second for second in after if second > at_s + noticed_s and after[second] == users), default=None
        )
        result = finish(started)
    seen = f"{killed} of {nodes} nodes killed: moved after {noticed_s:.1f} s, of {users} users never fewer than {min(after.values())}"
    held = whole_s is not None and noticed_s < MOVED_WITHIN_S and min(after.values()) >= users - killed * USERS_EACH
    return Finding(held and result["nodes"]["lost"] == killed, seen)
