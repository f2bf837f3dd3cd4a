"""A run as the controller stores it: a Collector, its run.db in a temporary directory, and the scenario they need."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent

from master.fleet.master import FleetMaster
from master.fleet.registry import Registry
from master.run.collect.collector import Collector
from master.scenario import ExpectedNodes, Scenario, Stage
from master.store import Store
from worker.wire.messages import ControllerMessage
from worker.wire.reports import Report
from worker.wire.work import UserShare


class _Counting(Collector):
    """A Collector that counts what is reported, whether or not it stores it."""

    requests_reported = 0

    def on_report(self, worker: str, report: Report) -> None:
        self.requests_reported += sum(entry.total for row in report.seconds for entry in row.endpoints)
        super().on_report(worker, report)


class Collected:
    """What is stored of the nodes' messages; as a context it is removed at the end."""

    def __init__(self, nodes: Sequence[str], *, users: int, hold_s: float) -> None:
        self.server: Any = None
        """Who sends agents what they are told."""
        self._directory = tempfile.TemporaryDirectory(prefix="piswarm-faults-")
        self.store = Store(Path(self._directory.name) / "run.db", create=True)
        scenario = Scenario(
            "faults",
            "embedded",
            {"Visitor": UserShare(weight=1)},
            (Stage(users=users, spawn_rate=100, hold_s=hold_s),),
            nodes=ExpectedNodes(len(nodes), 1),
        )
        self.collector = _Counting(self.store, Registry(nodes), scenario, send=self._tell)

    def _tell(self, node: str, message: ControllerMessage) -> None:
        self.server.send_to_agent(node, message)

    def tick_for(self, master: FleetMaster) -> None:
        """From now on store what came twice a second, and acknowledge it to the workers."""

        def tick() -> None:
            while True:
                self.collector.tick(master.user_count, master.acknowledge)
                gevent.sleep(0.5)

        gevent.spawn(tick)

    def per_second(self) -> dict[int, int]:
        """Return requests by the run's second, as reports and thresholds read them."""
        counts: dict[int, int] = {}
        for second, _, tally, *_ in self.store.requests():
            counts[second] = counts.get(second, 0) + tally.total
        return counts

    def close(self) -> None:
        """Remove everything."""
        self.store.close()
        self._directory.cleanup()
