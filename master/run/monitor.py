"""Polls a run once a second: stores what came, shows it, and checks what must end it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import gevent

from master.fleet.master import FleetMaster
from master.fleet.registry import Registry
from master.fleet.states import USABLE, NodeState
from master.load.schedule import Position
from master.run.collect.collector import Collector
from master.run.live_state import live_state
from master.run.live_view import LatestArrivals, Snapshot, View
from master.run.processes.local import LocalProcesses
from master.run.project_run import ProjectRun
from master.run.real_nodes.revocations import Revocations
from master.run.stop import StopRequest
from master.run.storage import StorageMonitor
from master.run.target.monitor import TargetMonitor
from master.run.target.service_watch import ServiceWatch
from master.scenario import Scenario
from master.web.metrics.server import MetricsServer
from worker.load.histogram import Histogram
from worker.load.runner import IDLE_AFTER_S, REPORT_INTERVAL_S

LATEST_S = 5
"""The live figures are of so many of the latest complete seconds."""


STALLED_S = IDLE_AFTER_S - REPORT_INTERVAL_S
"""So long after the previous poll, workers may have fallen idle: they get a message when they have reported."""
SETTLE_S, SETTLE_MAX_S = 5.0, 20.0
"""After that, old reports are through and users started again within the first; no longer than the second is waited for them."""
LATE_POLL_S = 1.0
"""A poll that comes so late finds unread messages: no node counts as silent for that."""
OUT_OF_SERVICE = (NodeState.LOST, NodeState.GONE, NodeState.QUARANTINED)
REASONS = {
    NodeState.LOST: "its agent fell silent",
    NodeState.GONE: "its agent shut down",
    NodeState.QUARANTINED: "its workers end again and again",
}


@dataclass(frozen=True)
class Monitor:
    """Polls one run."""

    scenario: Scenario
    registry: Registry
    master: FleetMaster
    collector: Collector
    processes: LocalProcesses
    view: View
    stop: StopRequest
    run: str
    """The name of its directory."""
    metrics: MetricsServer | None
    revocations: Revocations = field(default_factory=Revocations)
    storage: StorageMonitor | None = None
    """Where what is measured is kept."""
    target: TargetMonitor | None = None
    project: ProjectRun | None = None
    """The master side of the Locust project; None without one."""
    services: ServiceWatch | None = None
    on_fault: Callable[[Exception], None] | None = None
    """Called with what a poll fails by."""
    on_start: Callable[[], None] | None = None
    """Called when a process was started in place of one that ended."""
    _stalled_s: list[float] = field(default_factory=list)
    """When this controller woke from being unable to do anything, until the load is known again."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Poll every second while the block lasts."""
        watcher = gevent.spawn(self._watch)
        watcher.link_exception(lambda failed: self.stop.request(f"the controller failed: {failed.exception!r}"))
        try:
            yield
        finally:
            watcher.kill()

    def _watch(self) -> None:
        due_s = polled_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            if now_s - polled_s > STALLED_S and self.collector.began:
                self._stalled_s.append(now_s)
                self.collector.note_load(unknown_for_s=now_s - polled_s)
                self.master.recount_users()
            polled_s = now_s
            if now_s - due_s > LATE_POLL_S:
                self.registry.note_late_poll(now_s)
            try:
                self._poll(now_s)
            except Exception as error:
                if self.on_fault is None:
                    raise
                self.on_fault(error)
            due_s = max(due_s + 1, time.monotonic())
            gevent.sleep(due_s - time.monotonic())

    def _check_load_resumed(self, now_s: float) -> None:
        """After a stall: until the users are there again, nobody knows what load there is."""
        if not self._stalled_s:
            return
        since_s = now_s - self._stalled_s[-1]
        there = self.master.user_count >= self.master.target_user_count
        if since_s >= (SETTLE_S if there else SETTLE_MAX_S):
            self._stalled_s.clear()
            self.collector.note_load()

    def _poll(self, now_s: float) -> None:
        for node in self.revocations.poll():
            self._disconnect(node)
        self.registry.find_silent(now_s)
        for worker in self.collector.agents.ended_workers:
            self.collector.data.end(worker)
            self.master.remove_worker(worker)
        self.collector.agents.ended_workers.clear()
        changes, self.registry.changes = self.registry.changes, []
        for node, before, after in changes:
            self._act_on(node, before, after)
        self._check_processes(now_s)
        self._check_load_resumed(now_s)
        self._follow_heat(now_s)
        if self.storage is not None:
            self._check_storage(self.storage)
        self.master.rebalance(1.0)
        self._keep()
        if self.collector.began and not self.stop.requested:
            self._show()
            if not self.registry.usable:
                self.stop.request("the whole fleet was lost")
        target_end = self.processes.target_end()
        if target_end is not None:
            self.stop.request(f"the embedded target ended in mid-run: {target_end}")
        if self.collector.broken_rule is not None:
            self.stop.request()

    def _keep(self) -> None:
        """Store what came, and tell the master side of a Locust project of it."""
        if self.storage is None or self.storage.writable:
            if self.target is not None:
                self._look_at_target(self.target)
            if self.services is not None and self._load_is_on:
                self.services.poll(self.collector.offset_s())
            self.collector.note_running(self.master.users_running)
            self.collector.tick(self.master.user_count, self.master.acknowledge)
        if self.project is not None:
            self.project.tick()

    def _check_processes(self, now_s: float) -> None:
        for how in self.processes.ended_generators():
            self.collector.event("process ended", None, how)
        if self.processes.restart_agent(now_s):
            self.collector.event("agent started", None, "the controller's own agent, again")
            if self.on_start is not None:
                self.on_start()
        self.processes.cap_logs()

    @property
    def _load_is_on(self) -> bool:
        return self.collector.began and self.collector.offset_s() < self.collector.timeline.ended_s

    def _look_at_target(self, target: TargetMonitor) -> None:
        collector = self.collector
        offset_s = collector.offset_s()
        if collector.began and offset_s < collector.timeline.ended_s:
            target.poll(int(offset_s), steady=int(offset_s) in collector.timeline.steady)

    def _disconnect(self, node: str) -> None:
        """A node is not trusted any more: from now on its messages are dropped."""
        self.master.server.revoke(node)
        self.collector.agents.forget(node)
        self.registry.node_left(node)
        self.collector.event(
            "revoked", node, "its key is not trusted any more: it is disconnected, and its reports are dropped"
        )

    def _check_storage(self, storage: StorageMonitor) -> None:
        offset_s = self.collector.offset_s()
        left_s = self.collector.progress.at(offset_s).left_s
        for warning in storage.check(offset_s, left_s, self.collector.truncate_wal):
            self.view.warn(warning)
            self.collector.event("disk", None, warning)
        if storage.short and self.collector.thinning is not None:
            self.collector.thinning.shorten()
        if storage.fault is not None and not self.collector.broken_off:
            self.collector.broken_off = True
            self.stop.fail(storage.fault)

    def _follow_heat(self, now_s: float) -> None:
        """Let hot nodes carry less until they bear it, and more again when they are cool."""
        for node in self.registry.adjust_capacities(now_s):
            self.master.update_capacity(node.name)
            degrees = "temperature unknown" if node.temperature_c is None else f"{node.temperature_c:.0f} °C"
            share = f"it is to carry {node.capacity.share:.0%} of what it can when cool ({degrees})"
            self.collector.event("capacity", node.name, share)

    def _act_on(self, node: str, before: NodeState, after: NodeState) -> None:
        """What a node's change of state means for the load."""
        if after in OUT_OF_SERVICE and before not in OUT_OF_SERVICE:
            moved = self.master.drain_node(node)
            why = "it was revoked" if node in self.revocations.nodes else REASONS[after]
            self.collector.event(after.value, node, f"{why}; {moved} user(s) went to other nodes")
        if after in (NodeState.LOST, NodeState.GONE):  # from quarantine too: the registry has forgotten them as well
            self.master.forget_workers(node)
        if after in USABLE and not self.master.may_run_users(node):
            self.master.readmit_node(node)
            self.collector.event("returned", node, "it joined again, and gets users gradually")

    def _latest_arrivals(self, offset_s: float, service: Histogram) -> LatestArrivals:
        offered, tally = self.collector.seconds.latest_arrivals(offset_s, LATEST_S)
        p50_ms, p95_ms, p99_ms = service.percentiles((50, 95, 99))
        return LatestArrivals(
            offered_per_s=offered / LATEST_S,
            started_per_s=tally.started / LATEST_S,
            missed_per_s=(tally.missed + tally.given_up) / LATEST_S,
            late_per_s=tally.late / LATEST_S,
            service_p50_ms=p50_ms,
            service_p95_ms=p95_ms,
            service_p99_ms=p99_ms,
        )

    def _stage(self, position: Position) -> str:
        shape = self.scenario.shape
        of = f"of {len(self.scenario.load)}" if shape is None else f"of {shape.name}"
        return f"stage {position.stage + 1} {of}"

    def _show(self) -> None:
        states = self.registry.counts
        offset_s = self.collector.offset_s()
        position = self.collector.progress.at(offset_s)
        latest, shape = self.collector.latest(LATEST_S), self.scenario.shape
        p50_ms, p95_ms, p99_ms = latest.histogram.percentiles((50, 95, 99))
        in_flight = self.collector.in_flight().values()
        # In the open model the users are started, and with the plan's beginning arrivals come.
        begun = not self.scenario.open_model or self.collector.timeline.plan_begun(offset_s)
        snapshot = Snapshot(
            phase=f"{self._stage(position)}, {position.kind if begun else 'users start'}",
            offset_s=offset_s,
            left_s=None if shape is not None and shape.run_time_s is None else position.left_s,
            users=self.master.user_count,
            users_planned=position.users,
            rate_per_s=latest.total / LATEST_S,
            error_share=latest.failed / latest.total if latest.total else 0.0,
            p50_ms=p50_ms,
            p95_ms=p95_ms,
            p99_ms=p99_ms,
            in_flight=sum(waiting.count for waiting in in_flight),
            oldest_s=max((waiting.ages.max_ms / 1000 for waiting in in_flight), default=0.0),
            exceptions=self.collector.user_classes.exceptions.total(),
            simulated=self.registry.simulated,
            nodes_expected=self.scenario.nodes.expect,
            nodes_ready=self.registry.usable,
            nodes_hot=states[NodeState.HOT] + states[NodeState.THROTTLED],
            nodes_lost=sum(states[state] for state in OUT_OF_SERVICE),
            arrivals=self._latest_arrivals(offset_s, latest.service_times) if self.scenario.open_model else None,
        )
        self.view.show(snapshot)
        if self.metrics is not None:
            self.metrics.publish(
                live_state(
                    self.run, self.scenario.name, snapshot, self.collector, self.registry, self.master, self.storage
                )
            )
