"""Where everything that arrives from the fleet comes together: into run.db, the fitness log, and the latest seconds in memory."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from master.data.handout import RowsHandout
from master.data.table_file import TableFile
from master.fleet.refusals import Refusals
from master.fleet.registry import Registry
from master.fleet.reports.unreported_arrivals import count_arrivals
from master.judge.generator.validity import check
from master.judge.interim import INTERIM_KEY, Interim, interim_of
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.second_facts import InFlightRequests
from master.judge.target.thresholds import ThresholdOutcome
from master.load.schedule import Progress
from master.run.checkpoint import Checkpoint
from master.run.collect.agents import Agents
from master.run.collect.latest_seconds import CLOSED_AFTER_S, KEPT_SECONDS, LatestSeconds
from master.run.collect.live_rules import LiveRules
from master.run.collect.record import RunRecord
from master.run.collect.report_acks import ReportAcks
from master.run.collect.report_intake import ProjectListener, ReportIntake
from master.run.collect.resume import resume_fitness, resume_seconds
from master.run.collect.sample_intake import SampleIntake
from master.run.collect.shape_stages import stages_asked
from master.run.collect.timeline import RunTimeline
from master.run.collect.user_classes import UserClasses
from master.scenario import Scenario
from master.scenario.rules import Endpoint
from master.store import Event, Store
from master.web.metrics.state import RequestTotals
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.histogram import EndpointStats
from worker.printable import printable
from worker.wire.messages import AgentMessage, ArrivalDeal, ControllerMessage, ProjectMessage, Ready, node_of
from worker.wire.reports import Report
from worker.wire.rows import RowsRequest


class ArrivalDealing(Protocol):
    """Deals the arrivals of the open model to workers, in step with what is stored."""

    def work_out(self) -> None:
        """Work out what to deal now; it counts as dealt."""

    def send(self) -> None:
        """Send what was worked out, now that it is stored that it was dealt."""


class ThinsSeconds(Protocol):
    """Thins seconds that are long past, a little each second."""

    def tick(self, offset_s: float, steady: Sequence[tuple[float, float]]) -> None:
        """Go on a little, right after a commit; `steady` are the spans in which seconds are judged, in seconds of the run."""

    def shorten(self) -> None:
        """Keep seconds one by one for a shorter time, since the disk would not last."""


class Collector:
    """Receives what agents and workers send (it is the FleetMaster's Listener), second by second.

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
        send: Callable[[str, ControllerMessage], None],
        end_run: Callable[[str | None], None] | None = None,
        earlier: Checkpoint | None = None,
        arrivals: ArrivalSchedule | None = None,
        tables: Mapping[str, TableFile] | None = None,
    ) -> None:
        """`send` sends a message to a node's agent; `end_run` ends the run for the reason given; None: in order.

        `earlier` is where the run stood when another controller left it; `arrivals` are all those of the run in the open model. `tables` are
        the files of the scenario's data. Raises InputError where one is not as it was when the run began.
        """
        now_s = time.monotonic()
        self.dealing: ArrivalDealing | None = None
        """Who deals arrivals while there are any to deal."""
        self.on_event: Callable[[float, str, str | None, str], None] | None = None
        """Called with each event: when in seconds of the run, its kind, the node, the detail."""
        self.thinning: ThinsSeconds | None = None
        """What makes run.db smaller while the run is on."""
        self._store = store
        self._registry = registry
        self._end_run = end_run
        self.began = False
        """Whether there is load by this controller's order, or has been."""
        self.totals = RequestTotals()
        """Of this controller's part of the run."""
        self.dropped: Counter[str] = Counter()
        """Parts of reports that were dropped, by reason."""
        self.refusals = Refusals(self.dropped, self.event)
        self.timeline = (
            RunTimeline(scenario.load, arrivals, scenario.shape)
            if earlier is None
            else RunTimeline.resumed(
                earlier,
                scenario.load if scenario.shape is None else stages_asked(store),
                now_s,
                time.time(),
                arrivals,
                shape=scenario.shape,
            )
        )
        self.data = RowsHandout(scenario, tables or {}, store, self.refusals, self.event)
        """The data rows that users take."""
        self.record = RunRecord(store, registry, self.timeline, self.dropped)
        self.seconds = LatestSeconds(store.counted_as)
        self.fitness, samples = FitnessLog(), Counter[str]()
        self._scenario = scenario
        self._rules = LiveRules(scenario.thresholds)
        self.interim: Interim | None = None
        """How the run stands; None before its load."""
        if earlier is not None:
            self.fitness, samples = resume_fitness(store, self.timeline.steady)
            self._resume(earlier)
        self.agents = Agents(registry, store, scenario.sample_period_s, self, send, refusals=self.refusals)
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
            data=self.data,
            earlier=earlier,
            now_s=now_s,
        )
        if earlier is not None:
            self.report_acks.unreported = list(earlier.unreported_workers)

    def _resume(self, earlier: Checkpoint) -> None:
        judged_before = int(earlier.offset_s) - CLOSED_AFTER_S
        resume_seconds(self._store, self.timeline.steady, self.fitness, self._rules, judged_before)
        self.seconds.complete_before = int(earlier.offset_s) + 1
        self._rules.broken = earlier.broken_rule
        self.record.resume(earlier)

    # Where the run stands

    @property
    def report_acks(self) -> ReportAcks:
        """The reports that have been accepted, by worker."""
        return self.reports.report_acks

    @property
    def project(self) -> ProjectListener | None:
        """The master side of the Locust project; None without one."""
        return self.reports.project

    @project.setter
    def project(self, project: ProjectListener) -> None:
        self.reports.project = project

    @property
    def user_classes(self) -> UserClasses:
        """The classes of users that have run."""
        return self.reports.user_classes

    @property
    def broken_rule(self) -> ThresholdOutcome | None:
        """The rule that asks for the run to end now."""
        return self._rules.broken

    @property
    def progress(self) -> Progress:
        """The progress of the run through its stages."""
        return self.timeline.progress

    def offset_s(self) -> float:
        """Seconds since the load began; 0 before."""
        return self.timeline.offset_s(time.monotonic())

    @property
    def duration_s(self) -> float:
        """Seconds for which the load was on, up to now or its end."""
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
        self.record.stop_reason = self.record.stop_reason or reason

    def note_load(self, *, unknown_for_s: float | None = None) -> None:
        """The fleet may have ended its load by itself, having had no message for so long; None: the load is as planned again."""
        if unknown_for_s is None:
            self.timeline.resume(time.monotonic())
            return
        self.progress.interrupt(self.offset_s() - unknown_for_s)
        stalled = f"it did nothing for {unknown_for_s:.1f} s; the fleet ends its load then"
        self.event("controller stalled", None, stalled)

    # What arrives

    def on_agent(self, node: str, message: AgentMessage) -> None:
        """An agent has sent a message."""
        now_s = time.monotonic()
        sample = self.agents.receive(node, message, now_s)
        if sample is not None:
            self.samples.accept(node, sample, now_s)
        self.reports.accept_early(node, now_s)

    def capacity_of(self, node: str) -> float:
        """How much a node is to carry now, compared to others."""
        return self._registry.nodes[node].capacity.value

    def on_worker_joined(self, node: str, worker: str, ready: Ready) -> int:
        """A worker has joined; the number of the last of its reports that was accepted."""
        self._registry.worker_joined(node, worker)
        self.agents.ended_workers.discard(worker)  # that was the one before
        self.data.join(worker, ready.incarnation)
        return self.reports.join(worker, ready)

    def on_worker_left(self, node: str, worker: str) -> None:
        """A worker has left in mid-run."""
        self._registry.worker_left(node, worker)
        self.event("worker left", node, f"{worker} ended in mid-run; its users went to others")

    def on_worker_gone(self, worker: str) -> None:
        """Nothing is heard of a worker any more, unless it joins again."""
        self.data.lose(worker)

    def on_rows_request(self, worker: str, request: RowsRequest) -> None:
        """A worker wants data rows."""
        self.data.request(worker, request)

    def on_users(self, node: str, users: bool) -> None:
        """Whether users are ordered to run on a node has changed."""
        self._registry.note_users(node, users)

    def on_order(self, worker: str, users: Mapping[str, int]) -> None:
        """A worker is ordered to run so many users of each class."""
        self.reports.order(worker, users, time.monotonic())
        if any(users.values()):
            self.data.note_users(worker)

    def on_deal(self, worker: str, deal: ArrivalDeal) -> None:
        """A worker is dealt arrivals of the open model."""
        self.reports.deal(worker, count_arrivals(deal))

    def credible_users(self, worker: str, users: Mapping[str, int]) -> Mapping[str, int]:
        """Of the users that a worker says that it runs, those that it can be running."""
        return self.reports.credible_users(worker, users, time.monotonic())

    def on_report(self, worker: str, report: Report) -> None:
        """A worker has reported."""
        self.reports.accept(worker, report, time.monotonic())

    def on_project_message(self, worker: str, message: ProjectMessage) -> None:
        """The locustfile on a worker has sent a message to its master side."""
        if self.project is None:
            self.dropped["message of a locustfile that there is not"] += 1
        else:
            self.project.on_message(worker, message)

    def on_run_end_request(self, worker: str, reason: str, *, by_plan: bool = False) -> None:
        """A worker asks for the run to end, for what its locustfile has done; the first reason stays."""
        if self._end_run is not None:
            end_run, self._end_run = self._end_run, None
            self.event("halted", node_of(worker), printable(f"{worker}: {reason}"))
            if by_plan and self.project is not None:
                self.project.note_halt(f"{reason}, on {worker}")
            end_run(None if by_plan else printable(f"{reason}, on {worker}"))

    def event(self, kind: str, node: str | None, detail: str) -> None:
        """Something happened that a reader of the run will want to know."""
        self.record.event(Event(self.offset_s(), kind, node, detail))
        if self.on_event is not None:
            self.on_event(self.offset_s(), kind, node, detail)

    def note_running(self, users: int) -> None:
        """So many users run, those that have ended by themselves not included."""
        if self.began and self.timeline.ended_s == math.inf:
            self.data.note_running(users, self.progress.at(self.offset_s()).users)

    # Once a second

    def tick(self, users: int, acknowledge: Callable[[str, int], None]) -> None:
        """Write what has come since the tick before, with the state of the run now; then acknowledge to the workers what is stored."""
        self.record.users_peak = max(self.record.users_peak, users)
        if self.dealing is not None:
            self.dealing.work_out()
        self.data.work_out(time.monotonic())
        self.seconds.write(self._store, self.totals)
        if self.began:
            now_s = time.monotonic()
            self.record.put_second(users, now_s)
            self._note_offered()
            if int(self.offset_s()) in self.timeline.steady:
                self.fitness.note_ready(self._registry.usable)
            self._judge_complete_seconds()
            self._note_interim()
            if not self.broken_off:
                self.record.put_checkpoint(now_s, time.time(), self.report_acks.unreported, self.broken_rule)
        self.data.store()
        self.record.commit(self.samples, self.reports)
        if self.dealing is not None:
            self.dealing.send()
        self.data.send_granted(self.offset_s())
        self.report_acks.acknowledge(acknowledge)
        self.agents.request_clocks()
        if self.agents.logs is not None:
            self.agents.logs.write()
        if self.thinning is not None and self.began and not self.broken_off:
            self.thinning.tick(self.offset_s(), self.timeline.steady.spans)

    def _note_offered(self) -> None:
        second = int(self.offset_s())
        for due in range(max(self.seconds.complete_before, second - CLOSED_AFTER_S), second + 1):
            self.seconds.note_offered(due, self.timeline.offered_in(due))

    def _judge_complete_seconds(self) -> None:
        second = int(self.offset_s())
        for complete in range(self.seconds.complete_before, second - CLOSED_AFTER_S):
            self._rules.add(complete, self.seconds.at(complete), self.timeline.steady)
            self.seconds.complete_before = complete + 1
        self._rules.add_exceptions(self.seconds.pop_late_exceptions())
        self.seconds.forget(second - KEPT_SECONDS)

    def _note_interim(self) -> None:
        """Keep how the run stands, for those who watch it."""
        nodes = self._scenario.nodes
        validity = check(self._scenario.validity, self.fitness, nodes.expect, nodes.min, name_nodes=False)
        found = interim_of(self.seconds.complete_before, self._rules.judged_s, self._rules.outcomes(), validity)
        left_s = self.progress.at(self.offset_s()).left_s
        self.interim = replace(found, left_s=left_s if math.isfinite(left_s) else None)
        self._store.put_meta(INTERIM_KEY, msgspec.to_builtins(self.interim))

    def flush(self) -> None:
        """Write what has come until now."""
        self.seconds.write(self._store, self.totals)

    def truncate_wal(self) -> None:
        """Make room on the disk, as far as that is possible."""
        self._store.truncate_wal()

    def end(self) -> None:
        """The load is over and all that was to come has come: write it, and count which samples are missing."""
        self.agents.end()
        self.seconds.write(self._store, self.totals)
        self.data.store()
        self.record.commit(self.samples, self.reports)
        self.samples.count_missing()
        for node in self._registry.ever_lost:
            self.fitness.note_lost(node)
