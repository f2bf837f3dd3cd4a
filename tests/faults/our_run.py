"""`piswarm run` with the users of a fault while it is on: the real command, its real processes, and its run.db."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from processes import Piswarm, Started

from master.store import Event, Store

T = TypeVar("T")

LOSSES = {"lost", "gone", "quarantined", "worker left", "process ended"}
"""Kinds of events that tell of a node or worker that is there no more."""


@contextmanager
def running(locustfile: str, *options: str, **scenario: Any) -> Iterator[Started]:
    """A run on the embedded target of the users in `locustfile`, whose class is Visitor; its processes are killed at the end."""
    with tempfile.TemporaryDirectory(prefix="piswarm-faults-", ignore_cleanup_errors=True) as directory:
        piswarm = Piswarm(Path(directory))
        (Path(directory) / "users.py").write_text(locustfile)
        started = piswarm.start(piswarm.scenario(locustfile="users.py", **scenario), *options)
        try:
            yield started
        finally:
            if started.process.poll() is None:
                _kill(started.family())
            started.process.communicate()


def _kill(family: list[psutil.Process]) -> None:
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def finish(started: Started) -> dict[str, Any]:
    """Wait for the run's end; return its result. Raises RuntimeError when the run left none."""
    finished = started.finish()
    if not (finished.directory / "result.json").exists():
        raise RuntimeError(f"ended with {finished.status}:\n{finished.output}")
    return finished.result


def from_store(started: Started, read: Callable[[Store], T]) -> T:
    """Return what can be read in run.db, once the load is on, or after the end."""
    with closing(Store(started.directory / "run.db")) as store:
        return read(store)


def losses(store: Store) -> list[Event]:
    """Return the losses of nodes and workers so far."""
    return [event for event in store.events() if event.kind in LOSSES]


def wait_for(found: Callable[[], T | None], what: str, within_s: float = 20.0) -> T:
    """Look every 50 ms until something is found; return it. Raises TimeoutError, which names it."""
    deadline_s = time.monotonic() + within_s
    while (thing := found()) is None:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{what}: not within {within_s:.0f} s")
        time.sleep(0.05)
    return thing


def resume(started: Started) -> dict[str, Any]:
    """Resume a run whose controller was killed; return its result. Raises RuntimeError when the run left none."""
    finished = Piswarm(started.directory.parent).resume(started.directory)
    if not (finished.directory / "result.json").exists():
        raise RuntimeError(f"ended with {finished.status}:\n{finished.output}")
    return finished.result


def nodes_of(started: Started) -> list[list[psutil.Process]]:
    """Return each node's agent and worker of a run with `--separate`, in order of the nodes' names."""
    agents = [child for child in started.family()[0].children() if "worker.simulation.node" in child.cmdline()]
    return [[agent, *agent.children()] for agent in sorted(agents, key=lambda child: child.pid)]


def users_after(started: Started, offset_s: float) -> dict[int, int]:
    """Return how many users ran in each second of the run from one on, as far as it is known."""
    rows = from_store(started, lambda store: store.seconds())
    return {row.second: row.users for row in rows if row.second >= offset_s}
