"""Where everything that arrives from the fleet comes together: into run.db, the fitness log, and the latest seconds in memory."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable

from master.fleet.registry import Node, Registry
from master.fleet.states import NodeState
from master.judge.thresholds import Judge, ThresholdOutcome
from master.judge.validity import FitnessLog, unfit_reasons
from master.run.load import LoadSchedule, Progress, whole_seconds
from master.scenario import Scenario
from master.scenario.rules import Endpoint
from master.store import CONTROLLER, ErrorRow, Event, FitnessRow, SecondRow, Store
from worker.histogram import Histogram, Tally
from worker.wire import (
    AgentMessage,
    Alive,
    Answer,
    ControllerMessage,
    EndpointSecond,
    Goodbye,
    Hello,
    Present,
    Question,
    Reading,
    Report,
    Sample,
    UserException,
    Welcome,
    WorkerEnded,
    WorkerMended,
    node_of,
)

CLOSED_AFTER_S = 4
"""A second is complete this long after its end: reports come every 2 s, and are on their way for less than the rest."""
KEPT_SECONDS = 15
"""Seconds of tallies kept in memory."""
QUESTION_INTERVAL_S = 5
"""How often each agent is asked for its clocks."""
STEP_S = 1.0
"""A node's wall clock that moves by more than this between two answers was set."""


class Collector:
    """Takes in what agents and workers send (it is the FleetMaster's Listener), second by second.

    Nothing is kept per request or for the whole run in memory: tallies go to run.db once a second, where those that come
    late are merged with their second.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        scenario: Scenario,
        *,
        tell: Callable[[str, ControllerMessage], None],
    ) -> None:
        """`tell` sends a message to a node's agent."""
        self.progress = Progress(LoadSchedule(scenario.load))
        self.fitness = FitnessLog()
        self.users_peak = 0
        self.dropped: Counter[str] = Counter()
        """Parts of reports that were left out, by reason."""
        self.broken_rule: ThresholdOutcome | None = None
        """The rule that asks for the run to end now."""
        self._recent: dict[int, dict[Endpoint, Tally]] = {}
        self._users: dict[int, int] = {}
        self._store = store
        self._registry = registry
        self._controller = Node(CONTROLLER)
        self._limits = scenario.validity
        self._period_s = scenario.sample_period_s
        self._judge = Judge(threshold for threshold in scenario.thresholds if threshold.abort)
        self._judged_up_to = 0
        self._tell = tell
        self._taken: dict[str, tuple[int, int]] = store.reports()
        """The life of each worker, and the number of its last report that was taken."""
        self._untold: dict[str, tuple[int, int]] = {}
        """Taken since the last commit: life and number by worker."""
        self._committed: dict[str, int] = {}
        """Kept for good, and to be told to the worker: the number of its last report."""
        self.ended_workers: list[str] = []
        """Workers of which their agents have said that they ended; whoever acts on it empties the list."""
        self.cut_off: list[str] = []
        """Workers that ended without a final report."""
        self._due_to_ask: deque[str] = deque()
        self._began_s: float | None = None
        self._ended_s = math.inf
        self._pending: dict[tuple[int, Endpoint, bool], Tally] = {}
        self._samples: list[tuple[str, int, Reading]] = []
        self._fitness_rows: list[FitnessRow] = []
        self._received_samples: Counter[str] = Counter()

    def begin(self) -> None:
        """The load begins now: from here on time counts, and telemetry is kept."""
        self._began_s = time.monotonic()

    def offset_s(self) -> float:
        """Seconds since the load began; 0 before."""
        return 0.0 if self._began_s is None else time.monotonic() - self._began_s

    @property
    def duration_s(self) -> float:
        """How long the load was on, up to now or its end."""
        return min(self.offset_s(), self._ended_s)

    @property
    def began(self) -> bool:
        """Whether the load has begun."""
        return self._began_s is not None

    def load_ended(self) -> None:
        """The load ends now, by plan or not: what comes later is counted but not judged."""
        self._ended_s = self.offset_s()

    def steady_seconds(self) -> list[int]:
        """The seconds to be judged: those wholly within a hold."""
        return whole_seconds(self._steady_spans())

    def _is_steady(self, second: int) -> bool:
        return any(start_s <= second and second + 1 <= end_s for start_s, end_s in self._steady_spans())

    def _steady_spans(self) -> list[tuple[float, float]]:
        # A worker's second counts for the one of ours that has more of it, so it may reach half a second beyond: without
        # this margin the last second of a hold would have a part of what comes after it.
        spans = self.progress.steady_spans(self._ended_s)
        return [(start_s + 0.5, end_s - 0.5) for start_s, end_s in spans if end_s - start_s > 1]

    @property
    def controller_present(self) -> bool:
        """Whether the controller's own agent has come."""
        return self._controller.facts is not None

    # What arrives

    def on_agent(self, node: str, message: AgentMessage) -> None:
        """An agent presents its node, or sends a sample."""
        now_s = time.monotonic()
        known = self._controller if node == CONTROLLER else self._registry.nodes[node]
        if known.facts is None and not isinstance(message, Hello):
            self._tell(node, Present())  # it was another controller's until now
            return
        if node != CONTROLLER and not isinstance(message, Goodbye | Hello | Sample):
            self._registry.heard(node, now_s)
        match message:
            case Hello(facts=facts):
                if node == CONTROLLER:
                    self._controller.facts = facts
                else:
                    self._registry.welcome(node, facts, now_s)
                self._store.put_node(node, facts)
                self._tell(node, Welcome(self._period_s))
                self._tell(node, Question(now_s))
            case Sample():
                self._on_sample(node, message, now_s)
            case Answer():
                self._on_answer(known, message, now_s)
            case WorkerEnded(worker=worker, how=how, again_in_s=again_in_s, crashing=crashing) if node != CONTROLLER:
                if node_of(worker) == node:
                    self.ended_workers.append(worker)
                    self._registry.worker_went(node, worker)
                    self._registry.note_crashing(node, crashing)
                    again = "it ends again and again; " if crashing else ""
                    self.event("worker ended", node, f"{worker}: {how}; {again}started again in {again_in_s:.1f} s")
            case WorkerMended(worker=worker) if node != CONTROLLER:
                self._registry.note_crashing(node, crashing=False)
                self.event("worker mended", node, f"{worker} stays")
            case Goodbye() if node != CONTROLLER:
                self._registry.left(node)
            case Alive():
                pass

    def _on_answer(self, node: Node, answer: Answer, now_s: float) -> None:
        if not 0 <= now_s - answer.asked_s < 60:
            self.dropped["an answer to what was not asked"] += 1
            return
        node.clock.observe_answer(answer.asked_s, answer.answered_s, now_s)
        offset_s = answer.wall_s - (time.time() - (now_s - answer.asked_s) / 2)
        before_s, node.wall_offset_s = node.wall_offset_s, offset_s
        if before_s is not None and abs(offset_s - before_s) > STEP_S:
            self.event("clock set", node.name, f"its wall clock moved by {offset_s - before_s:+.1f} s against ours")

    def _on_sample(self, node: str, sample: Sample, now_s: float) -> None:
        if node == CONTROLLER:
            due_s = self._controller.add(sample, now_s)
        else:
            due_s = self._registry.sample(node, sample, now_s)
        if self._began_s is None or due_s < self._began_s:
            return
        second = int(due_s - self._began_s)
        reading = sample.reading
        self._samples.append((node, second, reading))
        if not self._is_steady(second):
            return
        if node == CONTROLLER:
            self.fitness.add_controller(reading.cpu_percent)
        else:
            self._received_samples[node] += 1
            self.fitness.add_node(node, reading.cpu_percent, reading.memory_percent)

    def on_worker_joined(self, node: str, worker: str, life: int) -> int:
        """A worker has presented itself; the number of the last of its reports that was taken."""
        self._registry.worker_came(node, worker)
        known, taken = self._taken.get(worker, (life, 0))
        if known != life:
            self.cut_off.append(worker)  # what the one before had not reported is lost
            taken = 0
        self._taken[worker] = (life, taken)
        return taken

    def on_worker_left(self, node: str, worker: str) -> None:
        """A worker has said good-bye in mid-run."""
        self._registry.worker_went(node, worker)
        self.event("worker left", node, f"{worker} ended in mid-run; its users went to others")

    def on_users(self, node: str, users: bool) -> None:
        """Whether users are ordered to run on a node has changed."""
        self._registry.note_users(node, users)

    def on_report(self, worker: str, report: Report) -> None:
        """A worker has reported: sort its seconds into ours, and set apart what it measured while unfit."""
        name = node_of(worker)
        node = self._registry.nodes[name]
        if not self._take(worker, report.number):
            return
        node.clock.observe(report.sent_s, time.monotonic())
        for error in report.errors:
            self._store.add_error(ErrorRow(error.method, error.name, error.error, error.count, self.offset_s()))
        if self._began_s is None:
            return
        for row in report.seconds:
            # A worker's second overlaps two of ours; it counts for the one that has more of it.
            second = round(node.clock.to_local(row.second) - self._began_s)
            if second > self.offset_s() + 1:
                self.dropped["a second that has not come yet"] += 1
                continue
            if second < 0:
                if not row.endpoints:
                    continue
                second = 0  # requests before the load began can't be; should the clocks say so, none is lost
            reading = node.reading_at(self._began_s + second + 0.5, within_s=2 * self._period_s + 1)
            reasons = unfit_reasons(
                self._limits,
                lag_max_ms=row.lag_max_ms,
                worker_cpu_percent=row.cpu_percent,
                node_cpu_percent=reading.cpu_percent if reading else None,
                node_memory_percent=reading.memory_percent if reading else None,
            )
            if second + 1 > self._ended_s:
                reasons = []  # users are stopping: what is measured now is counted, and judged by nobody
            requests = sum(entry.total for entry in row.endpoints)
            self._fitness_rows.append(
                FitnessRow(name, second, row.lag_max_ms, row.cpu_percent, requests, ", ".join(reasons))
            )
            for entry in row.endpoints:
                self._add(second, entry, fit=not reasons)
            if self._is_steady(second):
                self.fitness.add_lag(name, Histogram(row.lag_buckets, row.lag_max_ms))
                if row.cpu_percent is not None:
                    self.fitness.add_worker_cpu(name, row.cpu_percent)
                self.fitness.add_requests(0 if reasons else requests, requests if reasons else 0)

    def _take(self, worker: str, number: int) -> bool:
        """Whether the report of that number is new. If so it counts as taken, and with the next commit the worker is told."""
        life, taken = self._taken[worker]
        if number <= taken:
            self._committed[worker] = taken  # it has not heard so
            self.dropped["a report that came again"] += 1
            return False
        self._taken[worker] = self._untold[worker] = (life, number)
        return True

    def _add(self, second: int, entry: EndpointSecond, *, fit: bool) -> None:
        endpoint = (entry.method, entry.name)
        tally = Tally(entry.total, entry.failed, entry.received_bytes, Histogram(entry.buckets, entry.max_ms))
        self._pending.setdefault((second, endpoint, fit), Tally()).merge(tally)
        if second >= self._judged_up_to:  # what is judged already must not change any more
            self._recent.setdefault(second, {}).setdefault(endpoint, Tally()).merge(tally)

    def on_user_exception(self, worker: str, exception: UserException) -> None:
        """A user's code has let an exception through: that is nobody's request, but it is an error to see."""
        del worker
        last_line = exception.traceback.strip().splitlines()[-1:] or [""]
        text = f"{exception.msg} ({last_line[0].strip()})"[:300]
        self._store.add_error(ErrorRow("", "exception in user code", text, 1, self.offset_s()))

    def event(self, kind: str, node: str | None, detail: str) -> None:
        """Something happened that a reader of the run will want to know."""
        self._store.add_event(Event(self.offset_s(), kind, node, detail))

    # Once a second

    def tick(self, users: int, tell_taken: Callable[[str, int], None]) -> None:
        """Write what has come since the tick before, with the state of the run now; then tell the workers what is kept."""
        self.users_peak = max(self.users_peak, users)
        if self._began_s is not None:
            self._keep_second(users)
        self._flush()
        for worker, number in self._committed.items():
            tell_taken(worker, number)
        self._committed.clear()
        self._ask_for_clocks()

    def _ask_for_clocks(self) -> None:
        """Ask a part of the agents each second, so that all are asked within QUESTION_INTERVAL_S."""
        names = [CONTROLLER, *self._registry.nodes]
        if not self._due_to_ask:
            self._due_to_ask.extend(names)
        for _ in range(-(-len(names) // QUESTION_INTERVAL_S)):
            if self._due_to_ask:
                node = self._due_to_ask.popleft()
                if node == CONTROLLER or self._registry.nodes[node].facts is not None:
                    self._tell(node, Question(time.monotonic()))

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
                self._judge.add(closed, self._recent.get(closed, {}), self._users.get(closed, users))
                self.broken_rule = self.broken_rule or self._judge.broken_abort()
            self._judged_up_to = closed + 1
        for kept in (self._users, self._recent):
            for old in [key for key in kept if key < second - KEPT_SECONDS]:
                del kept[old]

    def latest(self, seconds: int = 5) -> Tally:
        """The latest complete seconds in one tally, all endpoints together."""
        whole = Tally()
        end = int(self.offset_s()) - CLOSED_AFTER_S + 1
        for second in range(end - seconds, end):
            for tally in self._recent.get(second, {}).values():
                whole.merge(tally)
        return whole

    def _flush(self) -> None:
        for (second, endpoint, fit), tally in self._pending.items():
            self._store.add_requests(second, endpoint, tally, fit=fit)
        self._store.put_samples(self._samples)
        self._store.put_fitness(self._fitness_rows)
        self._store.put_reports(self._untold)
        self._pending.clear()
        self._samples.clear()
        self._fitness_rows.clear()
        self._store.commit()
        self._committed |= {worker: number for worker, (_, number) in self._untold.items()}
        self._untold.clear()

    def end(self) -> None:
        """The load is over and all that was to come has come: write it, and settle which samples are missing."""
        self._flush()
        spans = self._steady_spans()
        # A span cuts the schedule at both ends, so one sample less than its length may be in it.
        due = sum(max(0, int((end_s - start_s) / self._period_s) - 2) for start_s, end_s in spans)
        for node in self._registry.nodes:
            self.fitness.expect_samples(node, due, min(due, self._received_samples[node]))
        for node in self._registry.ever_lost:
            self.fitness.note_lost(node)
