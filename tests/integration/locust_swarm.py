"""Users of piswarm's own classes in a plain Locust run, in a process of its own, and what both sides counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from processes import ROOT, Target

# Locust replaces half the standard library; one process for all runs, since its start takes a second. Before a run is stopped
# all users come to rest, since Locust may end one in the middle of a request, which then only the target has counted.
_CODE = """
import json, sys
import gevent
from locust.env import Environment
from worker.load.locustfile.catalogue import user_classes
from worker.users.database import base as database
from worker.users.lucid.base import SignedInUser

over, resting = False, set()

def pause(user):
    if over:
        resting.add(user)
        return 3600
    return user.random.uniform(0, 0.02)

SignedInUser.wait_time = database.DatabaseUser.wait_time = pause
known = user_classes()
for job in sys.stdin:
    host, users, seconds, classes, spawn_rate, requests = json.loads(job)
    environment = Environment(user_classes=[known[name] for name in classes], host=host, stop_timeout=30)
    raised = []
    environment.events.user_error.add_listener(lambda exception, **_: raised.append(repr(exception)))
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=spawn_rate)
    gevent.sleep(seconds)
    with gevent.Timeout(60, False):
        while environment.stats.total.num_requests < requests:
            gevent.sleep(0.01)
    alive = runner.user_count
    over = True
    while len(resting) < runner.user_count:
        gevent.sleep(0.01)
    pools = [getattr(pool.get(), "connections", None) for pool in database._pools.values()]
    runner.quit()
    database.close_pools()
    over = False
    resting.clear()
    print(json.dumps({
        "counts": [[*reversed(key), entry.num_requests] for key, entry in environment.stats.entries.items()],
        "errors": [[error.method, error.name, str(error.error)] for error in environment.stats.errors.values()],
        "raised": raised,
        "alive": alive,
        "pools": pools,
    }), flush=True)
"""

_HUNG_UP = 499

Seen = dict[str, Any]


class Swarm(Protocol):
    """Runs users of piswarm's own classes."""

    def __call__(  # noqa: PLR0917  # as Locust has them
        self,
        host: str,
        users: int,
        seconds: float,
        classes: Sequence[str],
        spawn_rate: float = 100,
        requests: int = 0,
    ) -> Seen:
        """What a Locust run of so many users of `classes` on `host` saw; `pools` has the connections of each pool of a database.

        It lasts until they have made so many `requests`, too.
        """


def running_swarm() -> Iterator[Swarm]:
    """A process that runs users, until it is asked for the next."""
    with subprocess.Popen(
        [sys.executable, "-c", _CODE],
        cwd=ROOT,
        env={**os.environ, "PISWARM_TARGET_PASSWORD": "piswarm"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def run(  # noqa: PLR0917  # as Swarm says
            host: str, users: int, seconds: float, classes: Sequence[str], spawn_rate: float = 100, requests: int = 0
        ) -> Seen:
            print(json.dumps([host, users, seconds, classes, spawn_rate, requests]), file=process.stdin, flush=True)
            line = process.stdout.readline()
            assert line, f"the swarm ended with {process.wait()}"
            return json.loads(line)

        yield run
        process.stdin.close()
        assert process.wait(20) == 0


def answered_by(target: Target) -> dict[tuple[str, str], int]:
    """Requests that the target has answered, by method and route; without those whose client hung up first."""
    answered: dict[tuple[str, str], int] = {}
    for (method, route, status), count in target.counts().items():
        if status != _HUNG_UP:
            answered[method, route] = answered.get((method, route), 0) + count
    return answered


def counted(seen: Seen, protocol: Callable[[str], bool] = lambda _: True) -> dict[tuple[str, str], int]:
    """Requests that the users have counted, by method and name, of the methods that `protocol` takes."""
    return {(method, name): count for method, name, count in seen["counts"] if protocol(method)}
