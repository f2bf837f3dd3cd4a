"""The process that is the master which is measured: Locust's own, or this project's.

Obeys lines on standard input, and answers each with a line of JSON; ends when standard input closes.

    ready SECONDS            wait until all workers are there, at most so long
    begin                    the load begins now
    users N RATE SECONDS     spread N users, RATE a second, and wait until all run, at most so long
    count                    the requests in all reports so far, the workers lost, and messages dropped
"""

from __future__ import annotations

# Locust comes first, as in its own command: importing it patches the standard library for gevent.
import locust  # isort: skip  # noqa: F401

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import gevent
from gevent.fileobject import FileObject
from locust.env import Environment
from peers import RUN, Door
from rich.console import Console

from master.fleet.master import FleetMaster
from master.fleet.registry import Registry
from master.fleet.server import FleetServer
from master.run.collect.collector import Collector
from master.run.live_view import create_view
from master.run.monitor import Monitor
from master.run.processes.local import LocalProcesses, node_names
from master.run.stop import StopRequest
from master.scenario import ExpectedNodes, Scenario, Stage, load_scenario
from master.store import Store
from worker.load.locustfile.catalogue import load_user_classes, user_classes
from worker.wire.curve import new_keys

SCENARIO = Path(__file__).parents[3] / "configs/scenarios/swarm.yml"
NOWHERE = "http://127.0.0.1:9"
"""The target of users that nobody runs."""
HOLD_S = 86_400.0
LOOK_INTERVAL_S = 0.05


class Faulty(Exception):  # noqa: N818  # what the parent is told instead of figures
    """What was ordered did not happen; says why."""


class Master(Protocol):
    """A master with its port open."""

    door: Door

    def ready(self) -> int:
        """How many workers are there."""

    def begin(self) -> None:
        """The load begins now."""

    def spread(self, users: int, spawn_rate: float) -> None:
        """Start users, on all workers."""

    def running(self) -> int:
        """How many users run, as the workers said."""

    def count(self) -> dict[str, Any]:
        """What was received."""


def scenario_for(workers: int) -> Scenario:
    """The main job's users, thresholds and limits, with so many nodes."""
    scenario = load_scenario(SCENARIO, user_classes())
    load = (Stage(scenario.max_users, 1.0, HOLD_S),)
    return replace(scenario, target=NOWHERE, load=load, nodes=ExpectedNodes(expect=workers, min=workers))


class StockMaster:
    """Locust's, as a library: without its web UI, its history and its printed statistics."""

    def __init__(self, workers: int, directory: Path, stack: ExitStack) -> None:
        del directory
        scenario = scenario_for(workers)
        environment = Environment(user_classes=load_user_classes(scenario.users), host=NOWHERE)
        self._runner = environment.create_master_runner("127.0.0.1", 0)
        stack.callback(self._runner.greenlet.kill)
        self._stats = environment.stats
        self.door = Door(f"tcp://127.0.0.1:{self._runner.server.port}")

    def ready(self) -> int:
        return len(self._runner.clients.ready)

    def begin(self) -> None:
        pass

    def spread(self, users: int, spawn_rate: float) -> None:
        gevent.spawn(self._runner.start, users, spawn_rate)

    def running(self) -> int:
        return self._runner.user_count

    def count(self) -> dict[str, Any]:
        return {"requests": self._stats.total.num_requests, "lost": len(self._runner.clients.missing), "dropped": {}}


class FleetsMaster:
    """Ours, wired as in a run: everything that arrives goes to a run.db, and a look a second at all of it."""

    def __init__(self, workers: int, directory: Path, stack: ExitStack) -> None:
        scenario = scenario_for(workers)
        keys = {name: new_keys() for name in node_names(workers)}
        self._server = FleetServer("127.0.0.1", 0, new_keys(), {pair.public: name for name, pair in keys.items()})
        stack.callback(self._server.close, linger=0)
        self.door = Door(self._server.endpoint.address, self._server.endpoint.public_key, keys)
        self._registry = Registry(keys)
        self._store = Store(directory / "run.db", create=True)
        stack.callback(self._store.close)
        self._collector = Collector(self._store, self._registry, scenario, send=self._server.send_to_agent)
        environment = Environment(user_classes=load_user_classes(scenario.users), host=NOWHERE)
        self._master = environment._create_runner(
            FleetMaster, server=self._server, listener=self._collector, shares=scenario.users, run=RUN
        )
        stack.callback(self._master.close)
        view = create_view(Console(quiet=True), "bench")
        self._stop = StopRequest()
        processes = LocalProcesses(directory)
        watch = Monitor(
            scenario=scenario,
            registry=self._registry,
            master=self._master,
            collector=self._collector,
            processes=processes,
            view=view,
            stop=self._stop,
            run="bench",
            metrics=None,
        )
        stack.enter_context(watch.running())

    def ready(self) -> int:
        return self._registry.usable

    def begin(self) -> None:
        self._collector.begin()

    def spread(self, users: int, spawn_rate: float) -> None:
        ramp = self._master.ramp_to(users, spawn_rate)
        ramp.link(lambda _: self._collector.progress.hold_started(self._collector.offset_s()))

    def running(self) -> int:
        if self._stop.requested:
            raise Faulty(f"it ended the run: {self._stop.reason or 'a threshold broke'}")
        return self._master.user_count

    def count(self) -> dict[str, Any]:
        requests = sum(tally.total for _, _, tally, *_ in self._store.requests())
        dropped = dict(self._server.drops + self._collector.dropped + self._collector.agents.dropped)
        return {"requests": requests, "lost": len(self._registry.ever_lost), "dropped": dropped}


MASTERS: dict[str, type[StockMaster | FleetsMaster]] = {"stock": StockMaster, "ours": FleetsMaster}


class Obedient:
    """Does what the lines say."""

    def __init__(self, master: Master, workers: int) -> None:
        self._master = master
        self._workers = workers

    def obey(self, word: str, *rest: str) -> dict[str, Any]:
        """One line; the answer. Raises Faulty."""
        numbers = [float(number) for number in rest]
        match word:
            case "ready":
                _wait(self._master.ready, self._workers, "workers were ready", *numbers)
            case "begin":
                self._master.begin()
            case "users":
                users, spawn_rate, wait_s = numbers
                self._master.spread(int(users), spawn_rate)
                _wait(self._master.running, int(users), "users ran", wait_s)
            case "count":
                return self._master.count()
        return {"done": word}


def _wait(look: Callable[[], int], wanted: int, what: str, wait_s: float) -> None:
    deadline_s = time.monotonic() + wait_s
    while (there := look()) != wanted:
        if time.monotonic() > deadline_s:
            raise Faulty(f"{there} of {wanted} {what} after {wait_s:g} s")
        gevent.sleep(LOOK_INTERVAL_S)


def say(figures: dict[str, Any]) -> None:
    """One line for the parent."""
    print(json.dumps(figures), flush=True)  # noqa: T201  # the contract with the parent


def main() -> None:
    """Be the master that the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=MASTERS)
    parser.add_argument("workers", type=int)
    parser.add_argument("door", type=Path)
    options = parser.parse_args()
    with ExitStack() as stack:
        master = MASTERS[options.kind](options.workers, options.door.parent, stack)
        master.door.write(options.door)
        obedient = Obedient(master, options.workers)
        say({"up": True})
        # Read by gevent's loop, on which the master runs.
        for line in FileObject(sys.stdin.fileno(), "r", closefd=False):
            try:
                say(obedient.obey(*line.split()))
            except Faulty as fault:
                say({"fault": str(fault)})


if __name__ == "__main__":
    main()
