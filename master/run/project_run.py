"""The master side of a Locust project in one run: the events of Locust's master, in step with the run, and what comes of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import gevent
import msgspec
from gevent.event import Event as Signal
from gevent.queue import Queue

from master.errors import AbortError
from master.fleet.master import FleetMaster
from master.judge.project_outcome import ProjectOutcome
from master.project.process.figures import Figures
from master.project.process.master_link import MasterLink, ProcessEndedError, StepLateError
from master.project.process.messages import (
    Begin,
    FromWorker,
    ListenerFailed,
    QuitAsked,
    RampAsked,
    Reported,
    ShapeEnded,
    Spawned,
    StartShape,
    Step,
    Tick,
    ToWorkers,
)
from master.project.scenario_loading import Project
from master.run.collect.collector import Collector
from master.run.start.fleet import work_of
from master.run.start.prepared_run import PreparedRun
from master.run.stop import StopRequest
from master.store import ExceptionRow, Store
from worker.printable import printable
from worker.wire.messages import ProjectMessage
from worker.wire.reports import Report

LIMIT_S = 300.0
"""Of listeners of init and test_start, which may make the data of a test: then the run is given up."""
END_LIMIT_S = 60.0
"""Of listeners at the end: what a result needs is there already."""
SILENT_S = 30.0
"""In mid-run the process answers at any time, unless the locustfile's code never lets gevent's hub have a turn: a shape or a listener
that loops so long has lost workers under stock Locust."""
MAX_FAILURES = 1000
"""Different exceptions of listeners that are kept."""
LOG = "project.log"


@dataclass(frozen=True)
class ProjectParts:
    """The parts of the run that the master side is told of, and acts on."""

    prepared: PreparedRun
    collector: Collector
    master: FleetMaster
    stop: StopRequest


class ProjectRun:
    """The master side in one run. Without a locustfile there is none, and nothing of this is done."""

    def __init__(self, project: Project, parts: ProjectParts) -> None:
        self._parts = parts
        self._process = project.process
        self._link = MasterLink(project.process, self._handle)
        self._figures = Figures()
        self._failures: Counter[tuple[str, str, str, str, str]] = Counter()
        self._exit_code: int | None = None
        self._begun = self._started = self._stopped = False
        self._reported_end = False
        self.halted: str | None = None
        """How the locustfile has ended the run, on its master side or on a worker."""
        self.shape: Queue = Queue()
        """What the LoadTestShape asks for: RampAsked and ShapeEnded."""
        collector = parts.collector
        collector.project = self
        collector.seconds.on_stored = self._figures.add_requests
        parts.master.environment.events.spawning_complete.add_listener(self._on_spawned)

    # Steps of the run

    def begin(self, target: str) -> None:
        """Make environment and runner, and fire `init`. Raises AbortError when that fails."""
        prepared = self._parts.prepared
        log = prepared.directory.logs / LOG
        work = work_of(prepared, target)
        shape = None if prepared.scenario.shape is None else prepared.scenario.shape.name
        done = self._step("init", lambda number: Begin(number, work, str(log), shape), LIMIT_S, self._parts.stop.event)
        self._process.move_log(log)
        if done:
            raise AbortError(f"a listener of init failed: {done}")
        self._begun = True
        self._feed_stored(prepared.store)

    def _feed_stored(self, store: Store) -> None:
        """What was measured before this controller's part of the run belongs to the statistics, too."""
        if self._parts.prepared.checkpoint is not None:
            for requests in store.requests():
                self._figures.add_requests(requests.second, requests.endpoint, requests.tally)
            for row in store.errors():
                self._figures.add_error(row.method, row.name, row.error, row.occurrences)

    def test_start(self) -> None:
        """Fire `test_start`, unless another controller has. Raises AbortError when its listeners hang."""
        self._started = True
        self.tick()
        if self._parts.prepared.checkpoint is None:
            self._step("test_start", lambda number: Step(number, "test_start"), LIMIT_S, self._parts.stop.event)

    def start_shape(self, ran_s: float) -> None:
        """The shape says from now on how many users run; it has run for `ran_s` under other controllers."""
        self._link.post(StartShape(ran_s))

    def test_stopping(self) -> None:
        """Fire `test_stopping`: users are about to stop."""
        if self._started and not self._stopped:
            self._end_step("test_stopping")

    def end(self) -> None:
        """Fire what is still to be fired, with all figures at hand, and end the process."""
        if self._begun and not self._link.ended.is_set():
            if self._started:
                self.test_stopping()
                self._stopped = True
                self._parts.collector.flush()
                self.tick()
                self._end_step("test_stop")
            self._end_step("quitting")
        self._link.close()

    def _end_step(self, event: str) -> None:
        if event == "test_stopping":
            self._stopped = True
        if self._link.stuck:
            return
        try:
            self._step(event, lambda number: Step(number, event), END_LIMIT_S, None)
        except AbortError as error:
            self._parts.stop.fail(error.message)

    def _step(
        self, event: str, make: Callable[[int], msgspec.Struct], limit_s: float, stopped: Signal | None
    ) -> str | None:
        """Take a step; the first failure of its listeners. Raises AbortError when they hang, or end the process."""
        try:
            done = self._link.step(make, limit_s, stopped)
        except StepLateError as late:
            where = f"it is still{late}" if str(late) else "it has not returned"
            raise AbortError(f"a listener of {event} hangs on the master side: after {limit_s:g} s {where}") from None
        except ProcessEndedError as ended:
            raise AbortError(f"the locustfile ended its process on the master side, in {event}: {ended}") from None
        if done is None:
            return None
        self._exit_code = done.exit_code
        return done.failed

    # In mid-run

    def tick(self) -> None:
        """Tell the master side where the run stands; called once a second."""
        master, collector = self._parts.master, self._parts.collector
        if self._link.ended.is_set() and not self._reported_end:
            self._reported_end = True
            if self._begun:
                how = self._process.describe_end()
                self._parts.stop.fail(printable(f"the locustfile ended its process on the master side: {how}"))
            return
        if self._begun and not self._link.stuck and self._link.hangs(SILENT_S):
            gevent.spawn(self._give_up)
        requests, occurred = self._figures.pop(time.time() - collector.offset_s())
        workers = {worker: dict(client.user_classes_count) for worker, client in list(master.clients.items())}
        size = 200 * len(requests) + 50 * len(workers)
        self._link.post(Tick(master.state, master.target_user_count, workers, requests, occurred), size)

    def _give_up(self) -> None:
        """End the run: the process does not answer any more."""
        where = self._process.place()
        self._parts.stop.fail(
            printable(f"the locustfile hangs on the master side: for {SILENT_S:g} s it has been busy{where}")
        )

    def _on_spawned(self, user_count: int, **_: object) -> None:
        self.tick()  # so that its user count is that of now
        self._link.post(Spawned(user_count))

    def on_report(self, worker: str, report: Report) -> None:
        """A worker has reported, and its report was accepted."""
        self._link.post(Reported(worker, dict(report.users), report.attached), len(report.attached))

    def on_message(self, worker: str, message: ProjectMessage) -> None:
        """The locustfile on a worker has sent a message."""
        self._link.post(FromWorker(worker, message.kind, message.data), len(message.data))

    def on_error(self, method: str, name: str, error: str, count: int) -> None:
        """An error at an endpoint was stored; without one an exception of the users' code."""
        self._figures.add_error(method, name, error, count)

    def _handle(self, message: msgspec.Struct) -> None:
        match message:
            case ListenerFailed():
                self._note_failure(message)
            case ToWorkers(kind=kind, data=data, worker=worker):
                self._parts.master.send_project_message(ProjectMessage(kind, data), worker)
            case QuitAsked(reason=reason):
                self.note_halt(reason)
                self._parts.stop.request()
            case RampAsked() | ShapeEnded():
                self.shape.put(message)

    def note_halt(self, reason: str) -> None:
        """The locustfile ends the run, as a normal end of the test; the first reason stays."""
        if self.halted is None:
            self.halted = printable(reason)
            self._parts.collector.event("halted", None, self.halted)

    def _note_failure(self, failed: ListenerFailed) -> None:
        texts = (f"listener of {failed.event}", failed.kind, failed.message, failed.place, failed.line)
        key = tuple(map(printable, texts))
        if len(self._failures) < MAX_FAILURES or key in self._failures:
            self._failures[key] += 1  # type: ignore[index]  # five of them
            row = ExceptionRow(*key, 1, self._parts.collector.offset_s())  # type: ignore[arg-type, call-arg]
            self._parts.prepared.store.add_exception(row)

    @property
    def outcome(self) -> ProjectOutcome:
        """What the verdict needs to know."""
        return ProjectOutcome(
            exit_code=self._exit_code,
            exceptions=sum(self._failures.values()),
            first_exception=next((f"{key[1]}: {key[2]} ({key[0]})" for key in self._failures), ""),
            halted=self.halted,
            dropped=self._link.dropped,
        )
