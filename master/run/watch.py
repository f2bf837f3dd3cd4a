"""The look at a run once a second: keep what came, show it, and see what must end it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gevent

from master.fleet.master import FleetMaster
from master.fleet.registry import NodeState, Registry, usable
from master.run.collect import Collector
from master.run.live import Snapshot, View
from master.run.processes import Processes
from master.run.stop import StopOrder
from master.scenario import Scenario

LATEST_S = 5
"""The live figures are of so many of the latest complete seconds."""


@dataclass(frozen=True)
class Watch:
    """Looks at one run."""

    scenario: Scenario
    registry: Registry
    master: FleetMaster
    collector: Collector
    processes: Processes
    view: View
    stop: StopOrder

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look every second while the block lasts."""
        watcher = gevent.spawn(self._watch)
        watcher.link_exception(lambda failed: self.stop.give(f"the controller failed: {failed.exception!r}"))
        try:
            yield
        finally:
            watcher.kill()

    def _watch(self) -> None:
        due_s = time.monotonic()
        while True:
            self._look()
            due_s = max(due_s + 1, time.monotonic())
            gevent.sleep(due_s - time.monotonic())

    def _look(self) -> None:
        for node in self.registry.find_returned():
            self.master.regain_node(node)
            self.collector.event("returned", node, "its agent is heard again")
        for node in self.registry.find_lost(time.monotonic()):
            workers = self.master.lose_node(node)
            self.collector.event("lost", node, f"its agent fell silent; the users of {workers} worker(s) count no more")
        for how in self.processes.generator_ends():
            self.collector.event("process ended", None, how)
        states = self.collector.tick(self.master.user_count)
        if self.collector.began and not self.stop.given:
            self._show(states)
            if not usable(states):
                self.stop.give("the whole fleet was lost")
        target_end = self.processes.target_end()
        if target_end is not None:
            self.stop.give(f"the embedded target ended in mid-run: {target_end}")
        if self.collector.broken_rule is not None:
            self.stop.give()

    def _show(self, states: dict[NodeState, int]) -> None:
        offset_s = self.collector.offset_s()
        position = self.collector.progress.at(offset_s)
        latest = self.collector.latest(LATEST_S)
        p50_ms, p95_ms, p99_ms = latest.histogram.percentiles((50, 95, 99))
        self.view.show(
            Snapshot(
                phase=f"stage {position.stage + 1} of {len(self.scenario.load)}, {position.kind}",
                offset_s=offset_s,
                left_s=position.left_s,
                users=self.master.user_count,
                users_planned=position.users,
                rate_per_s=latest.total / LATEST_S,
                error_share=latest.failed / latest.total if latest.total else 0.0,
                p50_ms=p50_ms,
                p95_ms=p95_ms,
                p99_ms=p99_ms,
                simulated=self.registry.simulated,
                nodes_expected=self.scenario.nodes.expect,
                nodes_ready=usable(states),
                nodes_hot=states[NodeState.HOT],
                nodes_lost=states[NodeState.LOST],
            )
        )
