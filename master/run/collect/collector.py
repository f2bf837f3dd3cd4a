"""Where everything that arrives from the fleet comes together: into run.db, the fitness log, and the latest seconds in memory."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from master.fleet.refusals import Refusals
from master.fleet.registry import Registry
from master.fleet.states import NodeState
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.second_facts import InFlightRequests
from master.judge.target.thresholds import ThresholdOutcome
from master.load.schedule import Progress, Span
from master.run.checkpoint import STANDING, Checkpoint, boot_id
from master.run.collect.abort_rules import AbortRules
from master.run.collect.agents import Agents
from master.run.collect.latest_seconds import CLOSED_AFTER_S, KEPT_SECONDS, LatestSeconds
from master.run.collect.report_acks import Receipts
from master.run.collect.report_intake import ReportIntake
from master.run.collect.resume import resume_fitness, resume_seconds
from master.run.collect.sample_intake import SampleIntake
from master.run.collect.timeline import RunTimeline
from master.run.collect.user_classes import UserClasses
from master.scenario import Scenario, Stage
from master.scenario.rules import Endpoint
from master.store import Event, NodeRow, SecondRow, Store
from master.web.metrics import RequestTotals
from worker.load.histogram import EndpointStats
from worker.printable import printable
from worker.wire.messages import AgentMessage, ControllerMessage, Ready, Report, node_of

MAX_NODE_EVENTS = 1000
"""So that one node can't fill the store's place for events. A worker that crashes again and again has as many in some 8 hours."""


class Collector:
    """Takes in what agents and workers send (it is the FleetMaster's Listener), second by second.

    Nothing is kept per request or for the whole run in memory: tallies go to run.db once a second, where those that come
    late are merged with their second.
    """

    broken_off = False
    """Whether the run ends in a way that lets it be resumed: from where it stood before that."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        scenario: Scenario,
        *,
        tell: Callable[[str, ControllerMessage], None],
        halt: Callable[[str], None] | None = None,
        earlier: Checkpoint | None = None,
    ) -> None:
        """`tell` sends a message to a node's agent; `halt` ends the run for the reason given.

        `earlier` is where the run stood when another controller left it.
        """
        now_s = time.monotonic()
        self._store = store
        self._registry = registry
        self._halt = halt
        self.ready_s: float | None = None
        """How long the fleet took to be ready, in seconds; None when it never was."""
        self.users_peak = 0
        self.stop_reason: str | None = None
        """Why the load ended, if not by plan."""
        self.began = False
        """Whether there is load by this controller's order, or has been."""
        self.totals = RequestTotals()
        """Of this controller's part of the run."""
        self.dropped: Counter[str] = Counter()
        """Parts of reports that were left out, by reason."""
        self._events_of = Counter[str]()
        self.refusals = Refusals(self.dropped, self.event)
        self.timeline = RunTimeline(scenario.load)
        self.seconds = LatestSeconds(store.counted_as)
        self.fitness, samples = FitnessLog(), Counter[str]()
        self._rules = AbortRules(scenario.thresholds)
        if earlier is not None:
            self.timeline = RunTimeline.resumed(earlier, scenario.load, now_s, time.time())
            self.fitness, samples = resume_fitness(store, self.timeline.steady)
            self._resume(earlier)
        self.agents = Agents(registry, store, scenario.sample_period_s, self, tell, refusals=self.refusals)
        self.samples = SampleIntake(
            registry,
            self.agents.controller,
            self.timeline,
            self.fitness,
            period_s=scenario.sample_period_s,
            received=samples,
            refusals=self.refusals,
            dropped=self.dropped,
        )
        self.reports = ReportIntake(
            store,
            registry,
            scenario,
            timeline=self.timeline,
            fitness=self.fitness,
            seconds=self.seconds,
            refusals=self.refusals,
            dropped=self.dropped,
            resumed=earlier is not None,
            now_s=now_s,
        )
        if earlier is not None:
            self.receipts.cut_off = list(earlier.cut_off)

    def _resume(self, earlier: Checkpoint) -> None:
        judged_before = int(earlier.offset_s) - CLOSED_AFTER_S
        resume_seconds(self._store, self.timeline.steady, self.fitness, self._rules, judged_before)
        self.seconds.complete_before = int(earlier.offset_s) + 1
        self.ready_s, self.users_peak = earlier.ready_s, earlier.users_peak
        self.stop_reason, self._rules.broken = earlier.reason, earlier.broken_rule
        self.dropped.update(earlier.dropped)
        self._registry.peak_ready = earlier.nodes_peak
        self._registry.ever_lost.update(earlier.nodes_lost)
        self._registry.ever_quarantined.update(earlier.nodes_quarantined)

    # Where the run stands

    @property
    def receipts(self) -> Receipts:
        """Which reports have been taken."""
        return self.reports.receipts

    @property
    def user_classes(self) -> UserClasses:
        """Which classes of users have run."""
        return self.reports.user_classes

    @property
    def broken_rule(self) -> ThresholdOutcome | None:
        """The rule that asks for the run to end now."""
        return self._rules.broken

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        return self.timeline.progress

    @property
    def gaps(self) -> list[Span]:
        """When the run had no controller, in seconds since it began."""
        return self.timeline.gaps

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that are still to be gone through."""
        return self.timeline.progress.stages

    def offset_s(self) -> float:
        """Seconds since the load began; 0 before."""
        return self.timeline.offset_s(time.monotonic())

    @property
    def duration_s(self) -> float:
        """How long the load was on, up to now or its end."""
        return min(self.offset_s(), self.timeline.ended_s)

    def steady_seconds(self) -> list[int]:
        """The seconds to be judged: those wholly within a hold."""
        return self.timeline.steady.seconds()

    @property
    def controller_present(self) -> bool:
        """Whether the controller's own agent has come."""
        return self.agents.controller.facts is not None

    def latest(self, seconds: int = 5) -> EndpointStats:
        """The latest complete seconds in one tally, all endpoints together."""
        return self.seconds.latest(self.offset_s(), seconds)

    def in_flight(self) -> Mapping[Endpoint, InFlightRequests]:
        """The requests in flight at the end of the latest complete second, by endpoint."""
        return self.seconds.in_flight(self.offset_s())

    # The load

    def begin(self) -> None:
        """The load begins now, or goes on: from its first beginning on time counts, and telemetry is kept."""
        without_controller = self.timeline.begin(time.monotonic())
        if without_controller is not None:
            left_off_s, offset_s = without_controller
            lost = Event(left_off_s, "controller lost", None, "nothing is known of the run from here")
            self._store.add_event(lost)
            self.event("resumed", None, f"after {offset_s - left_off_s:.1f} s without a controller")
        self.seconds.complete_before = int(self.offset_s())
        self.began = True

    def load_ended(self, reason: str | None) -> None:
        """The load ends now, by plan or for a `reason`: what comes later is counted but not judged."""
        self.timeline.end(time.monotonic())
        self.note_load()
        self.stop_reason = self.stop_reason or reason

    def note_load(self, *, unknown_for_s: float | None = None) -> None:
        """The fleet may have ended its load by itself, having heard nothing for so long; None: the load is as planned again."""
        if unknown_for_s is None:
            self.timeline.go_on(time.monotonic())
            return
        self.progress.interrupt(self.offset_s() - unknown_for_s)
        stalled = f"it did nothing for {unknown_for_s:.1f} s; the fleet ends its load then"
        self.event("controller stalled", None, stalled)

    # What arrives

    def on_agent(self, node: str, message: AgentMessage) -> None:
        """An agent has said something."""
        now_s = time.monotonic()
        sample = self.agents.hear(node, message, now_s)
        if sample is not None:
            self.samples.take(node, sample, now_s)
        self.reports.take_early(node, now_s)

    def capacity_of(self, node: str) -> float:
        """How much a node is to carry now, compared to others."""
        return self._registry.nodes[node].capacity.value

    def on_worker_joined(self, node: str, worker: str, ready: Ready) -> int:
        """A worker has presented itself; the number of the last of its reports that was taken."""
        self._registry.worker_came(node, worker)
        self.agents.ended_workers.discard(worker)  # that was the one before
        return self.reports.join(worker, ready)

    def on_worker_left(self, node: str, worker: str) -> None:
        """A worker has said good-bye in mid-run."""
        self._registry.worker_went(node, worker)
        self.event("worker left", node, f"{worker} ended in mid-run; its users went to others")

    def on_users(self, node: str, users: bool) -> None:
        """Whether users are ordered to run on a node has changed."""
        self._registry.note_users(node, users)

    def on_order(self, worker: str, users: Mapping[str, int]) -> None:
        """A worker is ordered to run so many users of each class."""
        self.reports.order(worker, users, time.monotonic())

    def believe_users(self, worker: str, users: Mapping[str, int]) -> Mapping[str, int]:
        """Of the users that a worker says that it runs, those that it can be running."""
        return self.reports.believe_users(worker, users, time.monotonic())

    def on_report(self, worker: str, report: Report) -> None:
        """A worker has reported."""
        self.reports.take(worker, report, time.monotonic())

    def on_halt(self, worker: str, reason: str) -> None:
        """A worker asks for the run to end, for what its locustfile has done; the first reason stays."""
        if self._halt is not None:
            halt, self._halt = self._halt, None
            self.event("halted", node_of(worker), printable(f"{worker}: {reason}"))
            halt(printable(f"{reason}, on {worker}"))

    def event(self, kind: str, node: str | None, detail: str) -> None:
        """Something happened that a reader of the run will want to know; of one node no more than MAX_NODE_EVENTS are kept."""
        if node is not None:
            self._events_of[node] += 1
            if self._events_of[node] > MAX_NODE_EVENTS:
                self.dropped["events of a node that has had very many"] += 1
                return
        self._store.add_event(Event(self.offset_s(), kind, node, detail))

    # Once a second

    def tick(self, users: int, tell_taken: Callable[[str, int], None]) -> None:
        """Write what has come since the tick before, with the state of the run now; then tell the workers what is kept."""
        self.users_peak = max(self.users_peak, users)
        self.seconds.write(self._store, self.totals)
        if self.began:
            self._keep_second(users)
            self._judge_complete_seconds()
        if self.began and not self.broken_off:
            self._store.put_meta(STANDING, msgspec.to_builtins(self._standing()))
        self._flush()
        self.receipts.acknowledge(tell_taken)
        self.agents.ask_for_clocks()

    def _standing(self) -> Checkpoint:
        timeline, registry = self.timeline, self._registry
        assert timeline.began_s is not None
        offset_s = self.offset_s()
        position = timeline.progress.at(offset_s)
        return Checkpoint(
            boot=boot_id(),
            began_s=timeline.began_s,
            began_wall_s=time.time() - offset_s,
            offset_s=offset_s,
            stage=position.stage,
            kind=position.kind,
            stage_left_s=min(position.stage_left_s, timeline.progress.hold_of(position.stage)),
            steady_spans=timeline.progress.steady_spans(min(offset_s, timeline.ended_s)),
            gaps=timeline.gaps,
            users_peak=self.users_peak,
            nodes_peak=registry.peak_ready,
            nodes_lost=sorted(registry.ever_lost),
            nodes_quarantined=sorted(registry.ever_quarantined),
            ready_s=self.ready_s,
            cut_off=self.receipts.cut_off,
            dropped=dict(self.dropped),
            ended_s=None if timeline.ended_s == math.inf else timeline.ended_s,
            reason=self.stop_reason,
            broken_rule=self.broken_rule,
        )

    def _keep_second(self, users: int) -> None:
        states = self._registry.counts
        offset_s = self.offset_s()
        second = int(offset_s)
        steady = second in self.timeline.steady
        ready, hot = self._registry.usable, states[NodeState.HOT] + states[NodeState.THROTTLED]
        lost = states[NodeState.LOST] + states[NodeState.GONE] + states[NodeState.QUARANTINED]
        phase = self.progress.at(offset_s)
        self._store.put_second(SecondRow(second, f"{phase.stage + 1} {phase.kind}", steady, users, ready, hot, lost))
        if steady:
            self.fitness.note_ready(ready)

    def _judge_complete_seconds(self) -> None:
        second = int(self.offset_s())
        for complete in range(self.seconds.complete_before, second - CLOSED_AFTER_S):
            self._rules.add(complete, self.seconds.at(complete), self.timeline.steady)
            self.seconds.complete_before = complete + 1
        self._rules.add_exceptions(self.seconds.take_late_exceptions())
        self.seconds.forget(second - KEPT_SECONDS)

    def _flush(self) -> None:
        nodes = [self._registry.nodes[name] for name in self._registry.touched]
        self._store.put_node_rows(
            NodeRow(node.name, node.state.value, node.wall_offset_s, node.capacity.value) for node in nodes
        )
        self._registry.touched.clear()
        self._store.put_samples(self.samples.unwritten)
        self._store.put_fitness(self.reports.unwritten)
        self._store.put_reports(self.receipts.uncommitted)
        self.samples.unwritten.clear()
        self.reports.unwritten.clear()
        self._store.commit()
        self.receipts.note_committed()

    def fold(self) -> None:
        """Make room on the disk, as far as that is possible."""
        self._store.fold()

    def end(self) -> None:
        """The load is over and all that was to come has come: write it, and settle which samples are missing."""
        self.agents.end()
        self.seconds.write(self._store, self.totals)
        self._flush()
        self.samples.settle()
        for node in self._registry.ever_lost:
            self.fitness.note_lost(node)
