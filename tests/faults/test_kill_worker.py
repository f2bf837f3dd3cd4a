"""K3: a worker process dies; its agent lives, and starts it again. `tests/integration/run/test_kills.py` has the test."""

from __future__ import annotations

import time

from finding import Finding
from kills import MOVED_WITHIN_S, USERS_EACH, VISITOR, run_of
from our_run import finish, from_store, nodes_of, running, users_after, wait_for

FAULT = "K3"
TITLE = "a worker is killed"
NODES = 3
stock = None


def ours() -> Finding:
    users = USERS_EACH * NODES
    with running(VISITOR, "--separate", **run_of(NODES, 18)) as started:
        started.wait_for("stage 1 of 1")
        wait_for(lambda: users_after(started, 0).get(3) == users or None, "all users")
        _, worker = nodes_of(started)[0]
        died_s = time.monotonic()
        worker.kill()
        told = wait_for(
            lambda: (
                from_store(started, lambda store: [row for row in store.events() if row.kind == "worker ended"]) or None
            ),
            "the word of its agent",
        )[0]
        moved_s = time.monotonic() - died_s
        again_s = wait_for(lambda: _lives_again(started, died_s), "its successor")
        result = finish(started)
    seen = (
        f"moved after {moved_s:.1f} s, started again by its agent within {again_s:.1f} s, {told.detail.split(';')[0]}"
    )
    return Finding(moved_s < MOVED_WITHIN_S and result["nodes"]["lost"] == 0, seen)


def _lives_again(started: object, died_s: float) -> float | None:
    node = nodes_of(started)[0]
    return time.monotonic() - died_s if len(node) == 2 and node[1].is_running() else None
