"""K4: after its controller is killed, the fleet falls idle, and a resumed run loses no request and counts none twice.

`tests/integration/run/test_kills.py` tests it.
"""

from __future__ import annotations

import time

from finding import Finding
from kills import USERS_EACH, VISITOR, run_of
from our_run import resume, running, users_after, wait_for
from processes import Target

FAULT = "K4"
TITLE = "the controller is killed"
NODES = 3
IDLE_WITHIN_S = 10.0
QUIET_S = 2.0
stock = None


def ours() -> Finding:
    return killed_and_resumed()


def killed_and_resumed() -> Finding:
    """Run nodes on a target of their own, kill the controller in the hold, and resume the run when all is quiet."""
    users = USERS_EACH * NODES
    with Target() as target, running(VISITOR, "--target", target.url, **run_of(NODES, 10)) as started:
        started.wait_for("stage 1 of 1")
        wait_for(lambda: users_after(started, 0).get(3) == users or None, "all users")
        died_s = time.monotonic()
        started.process.kill()
        quiet_since_s, count = died_s, -1

        def idle() -> bool | None:
            nonlocal quiet_since_s, count
            now = sum(target.counts().values())
            if now != count:
                quiet_since_s, count = time.monotonic(), now
            return time.monotonic() - quiet_since_s > QUIET_S or None

        wait_for(idle, "the end of the load")
        idle_s = quiet_since_s - died_s
        result = resume(started)
        made, counted = sum(target.counts().values()), result["requests"]["total"]
    (gap,) = result["gaps"]
    seen = (
        f"idle after {idle_s:.1f} s, on after {gap['to_s'] - gap['from_s']:.1f} s; {counted} of {made} requests counted"
    )
    held = idle_s < IDLE_WITHIN_S and made == counted and result["nodes"]["peak"] == NODES
    return Finding(held and not result["unreported_workers"], seen)
