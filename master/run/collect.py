"""Where everything that arrives from the fleet comes together: into run.db, the fitness log, and the latest seconds in memory."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from master.fleet.credible_reports import CredibleReports, When
from master.fleet.node_checks import CLOCK_JUMPED, IMPOSSIBLE_SAMPLE, check_reading
from master.fleet.refusals import Refusals
from master.fleet.registry import MAX_BEYOND_S, Node, Registry
from master.fleet.report_checks import NOT_YET
from master.fleet.states import NodeState
from master.judge.seconds.fitness import FitnessLog, NodeCondition, unfit_reasons
from master.judge.seconds.window import counts_of
from master.judge.target.thresholds import Judge, ThresholdOutcome
from master.load.schedule import LoadSchedule, Progress, Span, whole_seconds
from master.run.agents import Agents
from master.run.checkpoint import STANDING, Checkpoint, boot_id
from master.run.in_flight import InFlightSeconds, Waiting
from master.run.report_acks import Receipts
from master.run.resume_fitness import resume_fitness
from master.run.user_classes import UserClasses
from master.scenario import Scenario, Stage
from master.scenario.rules import Endpoint
from master.store import CONTROLLER, ErrorRow, Event, ExceptionRow, FitnessRow, NodeRow, SecondRow, Store
from master.web.metrics import RequestTotals
from worker.load.histogram import EndpointStats, Histogram
from worker.load.loop_lag import PROBES_PER_SECOND
from worker.printable import printable
from worker.wire.messages import (
    AgentMessage,
    ControllerMessage,
    EndpointSecond,
    Reading,
    Ready,
    Report,
    Sample,
    Unanswered,
    WorkerSecond,
    node_of,
    number_of,
)

FIT_SECONDS_KEPT = 4
"""Seconds of a worker for which it is kept whether it was fit: where a rule ends a load, the latest reported may not be judged."""
CLOSED_AFTER_S = 4
"""A second is complete this long after its end: reports come every 2 s, and are on their way for less than the rest."""
EARLY_REPORTS = 5
MAX_PROBES = 2 * PROBES_PER_SECOND
"""Of a worker's loop in one second; after a stall there is one more than planned."""
MAX_NODE_EVENTS = 1000
"""So that one node can't fill the store's place for events. A worker that crashes again and again has as many in some 8 hours."""
EARLIER_ORDERS_S = 60.0
"""So long after another controller has taken a run over, workers may still run users by the orders of the one before."""
KEPT_SECONDS = 15
"""Seconds of tallies kept in memory."""


class Collector:
    """Takes in what agents and workers send (it is the FleetMaster's Listener), second by second.

    Nothing is kept per request or for the whole run in memory: tallies go to run.db once a second, where those that come
    late are merged with their second.
    """

    broken_off = False
    """Whether the run ends in a way that lets it be resumed: from where it stood before that."""

    def __init__(  # noqa: PLR0915  # what it holds is much
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
        self._halt = halt
        self.progress = Progress(LoadSchedule(scenario.load))
        self.fitness = FitnessLog()
        self.ready_s: float | None = None
        """How long the fleet took to be ready, in seconds; None when it never was."""
        self.users_peak = 0
        self.gaps: list[Span] = []
        """When the run had no controller, in seconds since it began."""
        self.stop_reason: str | None = None
        """Why the load ended, if not by plan."""
        self.began = False
        """Whether there is load by this controller's order, or has been."""
        self.totals = RequestTotals()
        """Of this controller's part of the run."""
        self.dropped: Counter[str] = Counter()
        """Parts of reports that were left out, by reason."""
        self.refusals, self._events_of = Refusals(self.dropped, self.event), Counter[str]()
        self.receipts = Receipts(store.reports(), self.dropped)
        self.broken_rule: ThresholdOutcome | None = None
        """The rule that asks for the run to end now."""
        self._recent: dict[int, dict[Endpoint, EndpointStats]] = {}
        self._users: dict[int, int] = {}
        self._store = store
        self.agents = Agents(registry, store, scenario.sample_period_s, self, tell, refusals=self.refusals)
        self._registry = registry
        self._limits, self._period_s = scenario.validity, scenario.sample_period_s
        self._judge = Judge(threshold for threshold in scenario.thresholds if threshold.abort)
        self._judged_up_to = 0
        self._began_s: float | None = None
        self._ended_s = math.inf
        self._spans: list[Span] = []
        self._spans_of: tuple[object, float] = (None, math.inf)
        self._pending: dict[tuple[int, Endpoint, bool], EndpointStats] = {}
        self._samples: list[tuple[str, int, Reading]] = []
        self._fitness_rows: list[FitnessRow] = []
        self._received_samples: Counter[str] = Counter()
        self._sampled_s: dict[str, float] = {}
        """When the latest sample of each node was due."""
        self._measured: dict[str, int] = {}
        """The latest second of its own clock that each worker has told its fitness of."""
        self._was_fit: defaultdict[str, dict[int, bool]] = defaultdict(dict)
        """Whether each worker was fit, in the latest steady seconds that it has told of."""
        self._in_flight = InFlightSeconds()
        self._exceptions: Counter[int] = Counter()
        """Exceptions in users' code by second, until the second is judged."""
        self.user_classes = UserClasses()
        self._early: dict[str, deque[tuple[str, Report]]] = {}
        """Reports of nodes whose clock is not known yet."""
        self._left_off_s: float | None = None
        # In a run that goes on, workers may run what another controller has ordered, until they have heard of this one's orders.
        self._credible = CredibleReports(
            scenario.users,
            scenario.stop_timeout_s,
            self.refusals,
            elsewhere=0 if earlier is None else scenario.max_users,
            until_s=time.monotonic() + scenario.stop_timeout_s + EARLIER_ORDERS_S,
        )
        if earlier is not None:
            self._go_on(earlier, scenario)

    def _go_on(self, earlier: Checkpoint, scenario: Scenario) -> None:
        self._began_s = earlier.began_now_s(time.monotonic(), time.time())
        self._left_off_s = earlier.offset_s
        self.progress = Progress(
            LoadSchedule(earlier.remaining(scenario.load)), earlier.stage, tuple(earlier.steady_spans)
        )
        self.fitness, self._received_samples = resume_fitness(self._store, self._is_steady)
        self.gaps = list(earlier.gaps)
        self.ready_s, self.users_peak = earlier.ready_s, earlier.users_peak
        self.receipts.cut_off = list(earlier.cut_off)
        self.stop_reason, self.broken_rule = earlier.reason, earlier.broken_rule
        if earlier.ended_s is not None:
            self._ended_s = earlier.ended_s
        self.dropped.update(earlier.dropped)
        self._registry.peak_ready = earlier.nodes_peak
        self._registry.ever_lost.update(earlier.nodes_lost)
        self._registry.ever_quarantined.update(earlier.nodes_quarantined)
        self._judged_up_to = int(earlier.offset_s) + 1

    def begin(self) -> None:
        """The load begins now, or goes on: from its first beginning on time counts, and telemetry is kept."""
        if self._began_s is None:
            self._began_s = time.monotonic()
        offset_s = self.offset_s()
        self.progress.begin(offset_s)
        if self._left_off_s is not None:
            if self._ended_s == math.inf:
                self.gaps.append((self._left_off_s, offset_s))
            lost = Event(self._left_off_s, "controller lost", None, "nothing is known of the run from here")
            self._store.add_event(lost)
            self.event("resumed", None, f"after {offset_s - self._left_off_s:.1f} s without a controller")
        self._judged_up_to = int(offset_s)
        self.began = True

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that are still to be gone through."""
        return self.progress.stages

    def offset_s(self) -> float:
        """Seconds since the load began; 0 before."""
        return 0.0 if self._began_s is None else time.monotonic() - self._began_s

    @property
    def duration_s(self) -> float:
        """How long the load was on, up to now or its end."""
        return min(self.offset_s(), self._ended_s)

    def load_ended(self, reason: str | None) -> None:
        """The load ends now, by plan or for a `reason`: what comes later is counted but not judged."""
        self._ended_s = min(self._ended_s, self.offset_s())
        self.note_load()
        self.stop_reason = self.stop_reason or reason

    def note_load(self, *, unknown_for_s: float | None = None) -> None:
        """The fleet may have ended its load by itself, having heard nothing for so long; None: the load is as planned again."""
        offset_s = self.offset_s()
        if unknown_for_s is not None:
            self.progress.interrupt(offset_s - unknown_for_s)
            self.event(
                "controller stalled", None, f"it did nothing for {unknown_for_s:.1f} s; the fleet ends its load then"
            )
        elif (gap := self.progress.go_on(min(offset_s, self._ended_s))) is not None:
            self.gaps.append(gap)

    def steady_seconds(self) -> list[int]:
        """The seconds to be judged: those wholly within a hold."""
        return whole_seconds(self._steady_spans())

    def _is_steady(self, second: int) -> bool:
        return any(start_s <= second and second + 1 <= end_s for start_s, end_s in self._steady_spans())

    def _steady_spans(self) -> list[Span]:
        if self._spans_of != (self.progress.revision, self._ended_s):  # asked for with all that arrives
            self._spans_of = (self.progress.revision, self._ended_s)
            # Without this margin the last second of a hold would have a part of what comes after it.
            beyond_s, spans = MAX_BEYOND_S, self.progress.steady_spans(self._ended_s)
            self._spans = [(first_s + beyond_s, end_s - beyond_s) for first_s, end_s in spans]
        return self._spans

    @property
    def controller_present(self) -> bool:
        """Whether the controller's own agent has come."""
        return self.agents.controller.facts is not None

    # What arrives

    def on_agent(self, node: str, message: AgentMessage) -> None:
        """An agent has said something."""
        now_s = time.monotonic()
        sample = self.agents.hear(node, message, now_s)
        if sample is not None:
            self._on_sample(node, sample, now_s)
        if node in self._early and self._registry.nodes[node].clock.error_s is not None:
            for worker, report in self._early.pop(node):
                self.on_report(worker, report)

    def _on_sample(self, node: str, sample: Sample, now_s: float) -> None:
        known = self.agents.controller if node == CONTROLLER else self._registry.nodes[node]
        wrong = check_reading(sample.reading, known.facts)
        if wrong:
            self.refusals.note(node, IMPOSSIBLE_SAMPLE, f"a sample with {wrong}: left out")
            if node != CONTROLLER:
                self._registry.heard(node, now_s)
            return
        due_s = known.add(sample, now_s) if node == CONTROLLER else self._registry.sample(node, sample, now_s)
        if known.clock.take_jump():
            self.refusals.note(node, CLOCK_JUMPED)
        if self._began_s is None or due_s < self._began_s:
            return
        # So that no node counts for more than the others, whatever it sends.
        if not self._sampled_s.get(node, -math.inf) + self._period_s / 2 < due_s < now_s + 1:
            self.dropped["a sample out of turn"] += 1
            return
        self._sampled_s[node] = due_s
        second = max(0, known.second_of_sample(sample.due_s, self._began_s))
        reading = sample.reading
        self._samples.append((node, second, reading))
        if not self._is_steady(second):
            return
        self._received_samples[node] += 1
        if node == CONTROLLER:
            self.fitness.add_controller(reading.cpu_percent)
        else:
            self.fitness.add_node(node, NodeCondition.of(reading, known.facts))
            error_s = known.clock.error_s
            if error_s is not None:
                self.fitness.add_clock_error(node, 1000 * error_s)

    def capacity_of(self, node: str) -> float:
        """How much a node is to carry now, compared to others."""
        return self._registry.nodes[node].capacity.value

    def on_worker_joined(self, node: str, worker: str, ready: Ready) -> int:
        """A worker has presented itself; the number of the last of its reports that was taken."""
        self._registry.worker_came(node, worker)
        self.agents.ended_workers.discard(worker)  # that was the one before
        if self.receipts.life_of(worker) != ready.life:
            self._measured.pop(worker, None)
        return self.receipts.join(worker, ready.life, ready.first)

    def on_worker_left(self, node: str, worker: str) -> None:
        """A worker has said good-bye in mid-run."""
        self._registry.worker_went(node, worker)
        self.event("worker left", node, f"{worker} ended in mid-run; its users went to others")

    def on_users(self, node: str, users: bool) -> None:
        """Whether users are ordered to run on a node has changed."""
        self._registry.note_users(node, users)

    def on_order(self, worker: str, users: Mapping[str, int]) -> None:
        """A worker is ordered to run so many users of each class."""
        self._credible.order(worker, users, time.monotonic())

    def believe_users(self, worker: str, users: Mapping[str, int]) -> Mapping[str, int]:
        """Of the users that a worker says that it runs, those that it can be running."""
        return self._credible.users(worker, users, time.monotonic())

    def on_report(self, worker: str, report: Report) -> None:
        """A worker has reported: sort its seconds into ours, and set apart what it measured while unfit."""
        name = node_of(worker)
        node = self._registry.nodes[name]
        if node.clock.error_s is None:
            # It may have been kept for long, so that its own times say nothing yet. What gets lost here is sent again.
            self._early.setdefault(name, deque(maxlen=EARLY_REPORTS)).append((worker, report))
            return
        if not self.receipts.take(worker, report.life, report.number):
            return
        now_s, error_s = time.monotonic(), node.clock.error_s
        if node.clock.to_local(report.sent_s) > now_s + error_s + 1:
            self.refusals.note(name, NOT_YET)  # believed, it would move the clock of the whole node
        else:
            node.clock.observe(report.sent_s, now_s)
        most = self._credible.most(worker, node.facts, now_s)
        for error in self._credible.counts(worker, report.errors, report, most):
            method, endpoint, text = map(printable, (error.method, error.name, error.error))
            self._store.add_error(ErrorRow(method, endpoint, text, error.count, self.offset_s()))
        if self._began_s is None:
            return
        for exception in self._credible.counts(worker, report.exceptions, report, most):
            *texts, count = msgspec.structs.astuple(exception)
            self._store.add_exception(ExceptionRow(*map(printable, texts), count, self.offset_s()))  # type: ignore[call-arg, arg-type]
        when = When(partial(node.second_of, began_s=self._began_s), self.offset_s(), error_s)
        believed = self._credible.report(worker, report, most, when)
        self.user_classes.note(report)
        for second, row in believed.seconds:
            self._on_worker_second(worker, node, second, row)
        for sent, ended, requests in believed.unanswered:
            self._on_unanswered(worker, sent, ended, requests)

    def _on_worker_second(self, worker: str, node: Node, second: int, row: WorkerSecond) -> None:
        assert self._began_s is not None
        reading = node.reading_at(self._began_s + second + 0.5, within_s=2 * self._period_s + 1)
        reasons = unfit_reasons(
            self._limits,
            lag_max_ms=row.lag_max_ms,
            worker_cpu_percent=row.cpu_percent,
            clock_error_ms=None if node.clock.error_s is None else 1000 * node.clock.error_s,
            node=NodeCondition.of(reading, node.facts) if reading else None,
        )
        if row.local_error:
            reasons.append(printable(row.local_error))
        credible = sum(row.lag_buckets.values()) <= MAX_PROBES
        if not credible:
            reasons.append("loop lag not credible")
        if second + 1 > self._ended_s:
            reasons = []  # users are stopping: what is measured now is counted, and judged by nobody
        requests = sum(entry.total for entry in row.endpoints)
        for entry in row.endpoints:
            self._add(second, entry, fit=not reasons)
        if self._is_steady(second):
            self.fitness.add_requests(0 if reasons else requests, requests if reasons else 0)
            self._note_fit(worker, second, fit=not reasons)
        if row.second > self._measured.get(worker, -1):  # requests may come late, and tell of their second again
            self._measured[worker] = row.second
            lag = Histogram(row.lag_buckets if credible else {}, row.lag_max_ms)
            unfit = "; ".join(reasons)
            self._exceptions[max(second, self._judged_up_to)] += row.exceptions
            self._keep_fitness(
                FitnessRow(
                    node.name,
                    second,
                    row.lag_max_ms,
                    row.cpu_percent,
                    requests,
                    unfit,
                    lag.encode(),
                    row.users,
                    number_of(worker),
                    sum(entry.own_clock for entry in row.endpoints),
                    sum(entry.in_flight for entry in row.endpoints),
                    row.local_errors,
                    row.exceptions,
                ),
                lag,
            )

    def _note_fit(self, worker: str, second: int, *, fit: bool) -> None:
        latest = self._was_fit[worker]
        latest.setdefault(second, fit)  # when it is told of again, for late requests, nothing is told of the worker
        if len(latest) > FIT_SECONDS_KEPT:
            del latest[next(iter(latest))]

    def _keep_fitness(self, row: FitnessRow, lag: Histogram) -> None:
        self._fitness_rows.append(row)
        if self._is_steady(row.second):
            self.fitness.add_lag(row.node, lag, fit=not row.unfit, own_clock=row.own_clock)
            if row.worker_cpu_percent is not None:
                self.fitness.add_worker_cpu(row.node, row.worker_cpu_percent)

    def _on_unanswered(self, worker: str, sent: int, ended: int, row: Unanswered) -> None:
        """Count requests that got no answer, in the last judged second in which they were in flight.

        So one that was sent in a hold and given up after it counts as a failure of that hold.
        """
        second = self._last_steady_second(sent, ended)
        steady = second is not None
        second = ended if second is None else second
        fit = self._was_fit[worker].get(second, True)
        if steady:
            self.fitness.add_requests(row.total if fit else 0, 0 if fit else row.total)
        tally = EndpointStats(row.total, row.total, 0, Histogram(row.buckets, row.max_ms), unanswered=row.total)
        self._add_tally(second, (printable(row.method), printable(row.name)), tally, fit=fit)

    def _last_steady_second(self, first: int, last: int) -> int | None:
        """The latest steady second from `first` to `last`; None when there is none."""
        for start_s, end_s in reversed(self._steady_spans()):
            second = min(last, math.floor(end_s) - 1)
            if second >= max(first, math.ceil(start_s)):
                return second
        return None

    def _add(self, second: int, entry: EndpointSecond, *, fit: bool) -> None:
        endpoint = (printable(entry.method), printable(entry.name))
        if entry.in_flight:
            self._in_flight.add(
                second,
                self._store.counted_as(endpoint),
                entry.in_flight,
                Histogram(entry.waiting_buckets, entry.waiting_max_ms),
            )
        if entry.total:
            tally = EndpointStats(
                entry.total,
                entry.failed,
                entry.received_bytes,
                Histogram(entry.buckets, entry.max_ms),
                entry.own_clock,
                failures=Histogram(entry.failed_buckets, entry.failed_max_ms) if entry.failed_buckets else None,
                untimed=entry.untimed,
            )
            self._add_tally(second, endpoint, tally, fit=fit)

    def _add_tally(self, second: int, endpoint: Endpoint, tally: EndpointStats, *, fit: bool) -> None:
        key = (second, self._store.counted_as(endpoint), fit)
        before = self._pending.get(key)
        if before is None:
            self._pending[key] = tally
        else:
            before.merge(tally)

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
        self._keep_requests()
        if self.began:
            self._keep_second(users)
        if self.began and not self.broken_off:
            self._store.put_meta(STANDING, msgspec.to_builtins(self._standing()))
        self._flush()
        self.receipts.acknowledge(tell_taken)
        self.agents.ask_for_clocks()

    def _standing(self) -> Checkpoint:
        assert self._began_s is not None
        offset_s = self.offset_s()
        position = self.progress.at(offset_s)
        return Checkpoint(
            boot=boot_id(),
            began_s=self._began_s,
            began_wall_s=time.time() - offset_s,
            offset_s=offset_s,
            stage=position.stage,
            kind=position.kind,
            stage_left_s=min(position.stage_left_s, self.progress.hold_of(position.stage)),
            steady_spans=self.progress.steady_spans(min(offset_s, self._ended_s)),
            gaps=self.gaps,
            users_peak=self.users_peak,
            nodes_peak=self._registry.peak_ready,
            nodes_lost=sorted(self._registry.ever_lost),
            nodes_quarantined=sorted(self._registry.ever_quarantined),
            ready_s=self.ready_s,
            cut_off=self.receipts.cut_off,
            dropped=dict(self.dropped),
            ended_s=None if self._ended_s == math.inf else self._ended_s,
            reason=self.stop_reason,
            broken_rule=self.broken_rule,
        )

    def _keep_second(self, users: int) -> None:
        states = self._registry.counts
        offset_s = self.offset_s()
        second = int(offset_s)
        steady = self._is_steady(second)
        ready, hot = self._registry.usable, states[NodeState.HOT] + states[NodeState.THROTTLED]
        lost = states[NodeState.LOST] + states[NodeState.GONE] + states[NodeState.QUARANTINED]
        phase = self.progress.at(offset_s)
        self._store.put_second(SecondRow(second, f"{phase.stage + 1} {phase.kind}", steady, users, ready, hot, lost))
        self._users[second] = users
        if steady:
            self.fitness.note_ready(ready)
        for closed in range(self._judged_up_to, second - CLOSED_AFTER_S):
            if self._is_steady(closed):
                self._judge.add(
                    closed,
                    self._recent.get(closed, {}),
                    self._users.get(closed, users),
                    self._exceptions.pop(closed, 0),
                    {endpoint: waiting.ages for endpoint, waiting in self._in_flight.at(closed).items()},
                )
                self.broken_rule = self.broken_rule or self._judge.broken_abort()
            self._judged_up_to = closed + 1
            self._judge.add_unjudged(self._exceptions.pop(closed, 0))
        self._in_flight.forget(second - KEPT_SECONDS)
        for kept in (self._users, self._recent):
            for old in [key for key in kept if key < second - KEPT_SECONDS]:
                del kept[old]

    def latest(self, seconds: int = 5) -> EndpointStats:
        """The latest complete seconds in one tally, all endpoints together."""
        whole = EndpointStats()
        end = int(self.offset_s()) - CLOSED_AFTER_S + 1
        for second in range(end - seconds, end):
            for tally in self._recent.get(second, {}).values():
                whole.merge(tally)
        return whole

    def in_flight(self) -> dict[Endpoint, Waiting]:
        """The requests in flight at the end of the latest complete second, by endpoint."""
        return self._in_flight.at(int(self.offset_s()) - CLOSED_AFTER_S)

    def _keep_requests(self) -> None:
        """What came since the last look, of all workers in one tally for each second and endpoint."""
        for key, tally in list(self._pending.items()):
            second, endpoint, fit = key
            self._store.add_requests(second, endpoint, tally, fit=fit)
            del self._pending[key]  # at once: should the next one fail, this one is not to be written a second time
            self.totals.add(endpoint, tally.total, tally.failed, tally.received_bytes)
            if second >= self._judged_up_to:  # what is judged already must not change any more
                judged = tally if fit else counts_of(tally)
                self._recent.setdefault(second, {}).setdefault(endpoint, EndpointStats()).merge(judged)

        for second, endpoint, waiting in self._in_flight.take_changes():
            self._store.add_waiting(second, endpoint, waiting.ages.count, waiting.ages)

    def _flush(self) -> None:
        nodes = [self._registry.nodes[name] for name in self._registry.touched]
        self._store.put_node_rows(
            NodeRow(node.name, node.state.value, node.wall_offset_s, node.capacity.value) for node in nodes
        )
        self._registry.touched.clear()
        self._store.put_samples(self._samples)
        self._store.put_fitness(self._fitness_rows)
        self._store.put_reports(self.receipts.uncommitted)
        self._samples.clear()
        self._fitness_rows.clear()
        self._store.commit()
        self.receipts.note_committed()

    def fold(self) -> None:
        """Make room on the disk, as far as that is possible."""
        self._store.fold()

    def end(self) -> None:
        """The load is over and all that was to come has come: write it, and settle which samples are missing."""
        self.agents.end()
        self._keep_requests()
        self._flush()
        spans = self._steady_spans()
        # A span cuts the schedule at both ends, so one sample less than its length may be in it.
        due = sum(max(0, int((end_s - start_s) / self._period_s) - 2) for start_s, end_s in spans)
        self.fitness.expect_controller(due, min(due, self._received_samples[CONTROLLER]))
        for node in self._registry.nodes:
            self.fitness.expect_samples(node, due, min(due, self._received_samples[node]))
        for node in self._registry.ever_lost:
            self.fitness.note_lost(node)
