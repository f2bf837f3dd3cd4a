"""One run: target and fleet up, load by the scenario's stages, everything down again, verdict; or the rest of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import new_class

import gevent
from locust import User
from locust.env import Environment

from master.data.handout import Ends
from master.data.tables import data_warnings
from master.errors import AbortError, PiswarmError
from master.fleet.master import FleetMaster
from master.judge.result import Result
from master.load.arrival_plan import plan_of
from master.load.shape_progress import ShapeProgress
from master.project.scenario_loading import LoadedScenario
from master.run.capacity import fleet_warnings
from master.run.checkpoint import AccessFile
from master.run.collect.collector import Collector
from master.run.collect.node_logs import NodeLogs
from master.run.directory import RunDirectory
from master.run.end import FinishedRun, LoadOutcome, conclude_run, write_result
from master.run.hook_calls import HookCalls
from master.run.live_view import View
from master.run.load.open_load import DEALT_AHEAD_S, OpenLoad
from master.run.load.shape_load import ShapeRun
from master.run.monitor import Monitor
from master.run.processes.limits import limit_warnings
from master.run.processes.local import LocalProcesses
from master.run.processes.thinning_process import ThinningProcess
from master.run.project_run import ProjectParts, ProjectRun
from master.run.real_nodes.revocations import Revocations
from master.run.shutdown import RunFaults, Shutdown, reason_of
from master.run.start.fleet import find_target, start_fleet, wait_for_nodes
from master.run.start.new_run import RunPlan, prepare_new
from master.run.start.prepared_run import PreparedRun, raise_file_limit
from master.run.start.resumed_run import prepare_resumed
from master.run.stop import StopRequest
from master.run.storage import StorageMonitor
from master.run.target.monitor import TargetMonitor
from master.run.target.service_watch import ServiceWatch
from master.run.thinning import Thinning
from master.scenario import EMBEDDED, OpenStage, Stage
from master.services.required import RequiredServices
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.locustfile.catalogue import load_user_classes
from worker.log_lines import secrets_of
from worker.secret_values import Mask
from worker.users.lucid.accounts import PASSWORD_VARIABLE

FINAL_REPORTS_S = 15.0
"""Longest wait for final reports beyond the time that users have to finish their tasks."""
QUIT_S = 5.0
"""Grace of processes that were ordered to quit over the wire, before they are ended."""

LAST_OUTPUT_S = 3.0
"""Longest wait for what workers print at their end, which is a little more than they have for that."""

Show = Callable[[Result, RunDirectory], None]


def execute(plan: RunPlan, view: View, show: Show) -> FinishedRun:
    """Run the scenario. However it ends, what was started has ended, and the result is known, or what was measured is kept.

    `show` is called with the result once it is known, before the report is made. Raises InputError, with nothing left behind,
    when the operator's input keeps it from starting.
    """
    raise_file_limit()
    with Shutdown() as shutdown:
        return _carry_out(prepare_new(plan, shutdown), view, show, shutdown)


def resume(  # noqa: PLR0917  # each of its own type
    read: LoadedScenario,
    directory: RunDirectory,
    file: AccessFile,
    view: View,
    show: Show,
    services: RequiredServices | None = None,
) -> FinishedRun:
    """Go on with a run whose controller died: same directory, what was left of its time, one result of it all.

    `file` is the run's `keys.json`, acquired; it is released at the end.

    Raises InputError when there is no such run, or it can't be read; AbortError when its target or its fleet is
    not there. Then all is left as it was, for another try.
    """
    raise_file_limit()
    with Shutdown() as shutdown:
        return _carry_out(prepare_resumed(read, directory, file, view, shutdown, services), view, show, shutdown)


def _carry_out(prepared: PreparedRun, view: View, show: Show, shutdown: Shutdown) -> FinishedRun:
    stop, processes = StopRequest(), LocalProcesses(prepared.directory.logs)

    def end_at_once() -> None:
        processes.kill()
        view.warn(_interrupted_again(prepared))

    with stop.on_signals(at_once=end_at_once):
        with view:
            execution = _Execution(prepared, view, stop, processes, shutdown)
            outcome = execution.put_load_on()
            view.show_step("working out the result")
            result = conclude_run(prepared, execution.collector, stop, execution.faults, outcome, execution.warnings)
        failed = shutdown.attempt("noting the verdict in run.db", lambda: _note_verdict(prepared, result))
        if failed is not None:
            execution.faults.note(failed)
        prepared.keys.resumable &= execution.resumable
        fault = write_result(prepared, result, shutdown, show)
        execution.end_hooks(result)
    # What fails while the rest is closed comes into the same list of problems.
    return FinishedRun(result, prepared.directory, shutdown.problems, execution.faults.own or fault)


def _interrupted_again(prepared: PreparedRun) -> str:
    """What there is, and what to do, when a second signal left no time for a result."""
    place = prepared.directory.path
    if prepared.directory.result.exists():
        return f"interrupted again: ended at once; the result is in {place}, its report may be missing"
    if prepared.keys.resumable:
        return f"interrupted again: ended at once, without a result; `piswarm resume {place}` goes on with the run"
    return f"interrupted again: ended at once, before the load, so there is no result in {place}"


def _note_verdict(prepared: PreparedRun, result: Result) -> None:
    prepared.store.put_meta("verdict", result.verdict)
    prepared.store.commit()


def _named_class(name: str) -> type[User]:
    """A user class of that name, and nothing more."""
    return new_class(name, (User,), exec_body=lambda body: body.update(weight=1))


class _Execution:
    """The part of a run in which processes and nodes are at work."""

    def __init__(
        self, prepared: PreparedRun, view: View, stop: StopRequest, processes: LocalProcesses, shutdown: Shutdown
    ) -> None:
        self._prepared = prepared
        self._view = view
        self._stop = stop
        self._processes = processes
        self._shutdown = shutdown
        scenario, server = prepared.scenario, prepared.server
        self._storage = StorageMonitor(prepared.directory)
        self.collector = Collector(
            prepared.store,
            prepared.registry,
            scenario,
            send=server.send_to_agent,
            end_run=stop.request,
            earlier=prepared.checkpoint,
            arrivals=ArrivalSchedule(plan_of(scenario.open_stages, scenario.seed)) if scenario.open_model else None,
            tables=prepared.tables,
        )
        self.faults = RunFaults(stop, self._storage, self.collector)
        self._environment = Environment(
            # Their names are all that the master needs of them.
            user_classes=[_named_class(name) for name in scenario.users],
            stop_timeout=scenario.stop_timeout_s,
        )
        self._master: FleetMaster = self._environment._create_runner(  # noqa: SLF001  # the way to use a runner class of one's own
            FleetMaster,
            server=server,
            listener=self.collector,
            shares=scenario.users,
            run=prepared.directory.name,
            keep_users_s=DEALT_AHEAD_S if scenario.open_model else None,
        )
        access = prepared.access
        self._logs = NodeLogs(
            prepared.directory.logs,
            Mask(secrets_of(access.environment, access.target_password)),
            max(scenario.nodes.expect, len(access.nodes)),
            self.collector.agents.dropped,
        )
        self.collector.agents.logs = self._logs
        self.collector.data.send = server.send_to_worker
        self.collector.data.set_ends(Ends(stop.request, self._master.end_class, stop.request))
        self._thinning = self.collector.thinning = Thinning(
            prepared.store,
            scenario.thresholds,
            self._start_thinning,
            lambda text: self.collector.event("run.db", None, text),
        )
        self._target = TargetMonitor(scenario, prepared.store)
        self._services = ServiceWatch(prepared.services, prepared.store, self._note_service)
        self._revocations = Revocations(prepared.access.roster, lambda text: self.collector.event("trust", None, text))
        self._project = (
            None
            if prepared.project is None
            else ProjectRun(prepared.project, ProjectParts(prepared, self.collector, self._master, stop))
        )
        self._monitor = Monitor(
            scenario=scenario,
            registry=prepared.registry,
            master=self._master,
            collector=self.collector,
            processes=processes,
            view=view,
            stop=stop,
            run=prepared.directory.name,
            metrics=prepared.metrics,
            target=self._target,
            services=self._services,
            project=self._project,
            revocations=self._revocations,
            storage=self._storage,
            on_fault=self.faults.note,
            on_start=lambda: prepared.keys.note_started(processes.started),
        )
        self._hooks: HookCalls | None = None
        if prepared.receivers:
            self._hooks = HookCalls(prepared.receivers, scenario.name, scenario.target, prepared.directory)
            self.collector.on_event = self._hooks.event
            shutdown.add("ending the hooks", self._hooks.close)
        self._machine_warnings = list(self._find_machine_warnings())
        self.warnings = [*prepared.warnings, *self._machine_warnings]
        """What the operator is warned of before the load: in the input, of this machine, and of the fleet."""

    @property
    def resumable(self) -> bool:
        """Whether the run was broken off, so that another controller may resume it from what is kept."""
        return self.collector.broken_off and self._storage.resumable

    def put_load_on(self) -> LoadOutcome:
        """Bring everything up, put the load on, bring everything down.

        Raises AbortError when a resumed run can't go on; its fleet is left alone then, for another try.
        """
        if self._prepared.metrics is not None:
            self._view.show_step(f"metrics on {self._prepared.metrics.url}")
        if self._prepared.page is not None:
            self._view.show_step(f"shown on {self._prepared.page}")
        for warning in self._machine_warnings:
            self._view.warn(warning)
        adopted = self._processes.adopt(self._prepared.access.started)
        target = self._prepared.scenario.target
        unreported: Sequence[str] = []
        with ExitStack() as ending:
            self._end_fleet_with(ending)
            try:
                target = find_target(self._prepared, self._processes, self._stop, self._view)
                self._environment.host = None if self._prepared.scenario.hosts else target
                self._target.begin(target, self._processes.target_pid)
                self._services.begin(target)
                if self._project is not None:
                    self._view.show_step("the locustfile begins: its listeners of init")
                    self._project.begin(target)
                start_fleet(self._prepared, self._processes, self.collector, target, adopted)
                with self._monitor.running():
                    wait_for_nodes(self._prepared, self.collector, self._revocations, self._stop, self._view)
                    self._warn_of_capacity()
                    if self._prepared.checkpoint is not None:
                        self._prepared.store.put_meta("verdict", None)  # of the part before, if that was judged
                    if self._project is not None:
                        self._view.show_step("the locustfile's listeners of test_start")
                        self._project.test_start()
                    self._go_through_stages()
                    unreported = self._finish_load()
            except PiswarmError as error:
                if self._prepared.checkpoint is not None and not self.collector.began:
                    ending.pop_all()
                    self.faults.attempt(self._master.close)
                    raise AbortError(
                        error.message, hint=f"{error.hint} Nothing was changed: resume it again.".strip()
                    ) from None
                self._stop.request(reason_of(error))
            except Exception as error:  # noqa: BLE001  # whatever it is, the run is to end in order
                self.faults.note(error)
        return LoadOutcome(
            ", ".join(self._prepared.scenario.targets) if self._prepared.scenario.hosts else target,
            unreported,
            self._target.cache,
            None if self._project is None else self._project.outcome,
        )

    def end_hooks(self, result: Result) -> None:
        """Tell of the verdict, and wait a little for the last calls."""
        if self._hooks is not None:
            self._hooks.verdict(result)
            self._shutdown.problems += self._hooks.end()

    def _start_thinning(self) -> ThinningProcess:
        directory, rules = self._prepared.directory, self._prepared.scenario.thresholds
        return ThinningProcess(directory.database, [rule.text for rule in rules], directory.logs / "thinning.log")

    def _note_service(self, kind: str, detail: str) -> None:
        self._view.warn(f"{kind}: {detail}")
        self.collector.event(kind, None, detail)

    def _find_machine_warnings(self) -> Iterator[str]:
        scenario, access = self._prepared.scenario, self._prepared.access
        yield from self._storage.warnings_at_start(scenario)
        if not access.target_password and self._users_sign_in():
            yield f"the users sign in, and no password is known: put it into the environment variable {PASSWORD_VARIABLE}"
        yield from data_warnings(scenario, self._prepared.tables)
        yield from limit_warnings(
            scenario.max_users,
            len(access.nodes),
            simulated=access.roster is None,
            separate_processes=access.separate_processes,
            embedded=scenario.target == EMBEDDED,
        )

    def _users_sign_in(self) -> bool:
        """Whether any user class needs the password of the target's accounts."""
        scenario, project = self._prepared.scenario, self._prepared.project
        if project is None:
            return any(getattr(each, "needs_target_password", False) for each in load_user_classes(scenario.users))
        return any(each.needs_target_password for each in project.facts.classes if each.name in scenario.users)

    def _warn_of_capacity(self) -> None:
        """Tell, now that the nodes are ready, where arrivals can hardly fit into what they carry."""
        simulated = self._prepared.access.roster is None
        for warning in fleet_warnings(self._prepared.scenario, self._prepared.registry, simulated=simulated):
            self._view.warn(warning)
            self.warnings.append(warning)

    def _end_fleet_with(self, ending: ExitStack) -> None:
        """Have the fleet brought down, step by step, when `ending` is left: the last step here comes first."""
        for step in (
            self._master.close,
            self._end_processes,
            self._await_logs,
            self._master.send_quit,
            self.collector.end,
            self._thinning.stop,
        ):
            ending.callback(self.faults.attempt, step)
        if self._project is not None:
            ending.callback(self.faults.attempt, self._project.end)

    def _await_logs(self) -> None:
        """Let agents send what their workers print at their end."""
        deadline_s = time.monotonic() + LAST_OUTPUT_S
        while self.collector.agents.unfinished_logs() and time.monotonic() < deadline_s:
            gevent.sleep(0.05)
        self._logs.write()

    def _end_processes(self) -> None:
        # Nodes that never joined get no order to quit over the wire, and need not be waited for.
        self._shutdown.problems += self._processes.stop(QUIT_S if self.collector.began else 0.0)

    def _go_through_stages(self) -> None:
        """Put the load on, stage by stage; returns early when the run is to stop."""
        self.collector.begin()
        self._prepared.keys.resumable = True
        if self._hooks is not None:
            self._hooks.start(self._prepared.scenario.max_users, self._prepared.registry.usable)
        stages, arrivals = self.collector.progress.stages, self.collector.timeline.arrivals
        if arrivals is not None:
            load = OpenLoad(arrivals, self._master, self.collector, self._prepared.registry, self._stop)
            load.put_on([stage for stage in stages if isinstance(stage, OpenStage)], self._view)
        elif isinstance(self.collector.progress, ShapeProgress):
            assert self._project is not None
            shape = ShapeRun(self._project, self._master, self.collector, self._prepared.store, self._stop)
            shape.put_on(self.collector.progress)
        else:
            self._go_through_closed([stage for stage in stages if isinstance(stage, Stage)])

    def _go_through_closed(self, stages: Sequence[Stage]) -> None:
        users = 0
        for stage in stages:
            if stage.users != users:
                ramp = self._master.ramp_to(stage.users, stage.spawn_rate)
                gevent.wait([ramp, self._stop.event], count=1)
                if ramp.ready() and not ramp.successful():
                    self._stop.request(f"the ramp to {stage.users} users failed by a fault of ours: {ramp.exception!r}")
            if self._stop.requested:
                return
            users = stage.users
            self.collector.progress.hold_started(self.collector.offset_s())
            if self._stop.wait(stage.hold_s):
                return

    def _finish_load(self) -> Sequence[str]:
        """End the load; the workers that sent no final report."""
        self.collector.load_ended(self._stop.reason)
        self._services.load_ended(self.collector.offset_s())
        if self._project is not None:
            self._project.test_stopping()
        self._view.show_step("stopping: users finish their tasks, workers report")
        # What can't be kept need not be waited for.
        reports_s = FINAL_REPORTS_S if self._storage.writable else 0.0
        asking = gevent.spawn(self._target.end)
        unreported: list[str] = self._master.finish(self._prepared.scenario.stop_timeout_s + reports_s)
        asking.join()
        self.faults.attempt(self._services.end)
        return unreported
