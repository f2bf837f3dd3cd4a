"""One run: target and fleet up, load by the scenario's stages, everything down again, verdict; or the rest of one."""

from __future__ import annotations

import resource
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import gevent
import msgspec
from locust import __version__ as locust_version
from locust.env import Environment

from master.errors import AbortError, InputError
from master.fleet.master import FleetMaster
from master.fleet.refusals import disbelieved
from master.fleet.registry import Registry
from master.fleet.server import FleetServer
from master.judge.outcome import RunFacts, conclude
from master.judge.result import Result
from master.report.files import write_outcome
from master.run.bottleneck import bottleneck_in
from master.run.checkpoint import STANDING, Checkpoint, FleetAccess, HandoverFile, read_standing
from master.run.collect.collector import Collector
from master.run.directory import RunDirectory
from master.run.live_view import View
from master.run.monitor import Monitor
from master.run.processes.limits import limit_warnings
from master.run.processes.local import LocalProcesses, node_names
from master.run.processes.simulated_boards import boards_of
from master.run.revocations import Revocations
from master.run.roster import Roster, assignments
from master.run.stop import StopOrder
from master.run.storage import StorageMonitor
from master.scenario import EMBEDDED, Scenario
from master.scenario.model import ramps_s
from master.store import CONTROLLER, Store, check_whole
from master.web.metrics import MetricsServer
from worker.atomic_write import atomic_write_public
from worker.load.catalogue import load_user_classes
from worker.wire.curve import new_keys
from worker.wire.messages import Work

LOOPBACK = "127.0.0.1"
FINAL_REPORTS_S = 15.0
"""How long final reports may take beyond the time that users have to finish their tasks."""
CLOCK_OFF_S = 1.0
CHILDREN_END_S = 5.0
"""How long processes that were told to quit may take, before they are ended."""


@dataclass(frozen=True)
class RunPlan:
    """What to run, and where: `out` is the run directory (None: a new one below `runs/`).

    The master listens on `host` and `port`; 0 takes a free one, None is what the nodes of the `roster` know, or a free one on
    loopback. Without a roster all nodes are simulated, with processes of their own if they are `separate`.
    """

    scenario: Scenario
    out: Path | None
    started_at: datetime
    host: str | None = None
    port: int | None = None
    separate: bool = False
    roster: Roster | None = None
    metrics_port: int | None = None
    """Where Prometheus finds the run's metrics, on loopback; None for nowhere."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the locustfile's own options get their values from (worker/load/locust_options.py)."""
    warnings: Sequence[str] = ()
    """What the operator was told of the input at the start."""


@dataclass(frozen=True)
class Finished:
    """A run that came to its end."""

    result: Result
    directory: RunDirectory
    unwritten: list[str]
    """What to tell of files that are not where they should be."""
    fault: Exception | None
    """The fault of piswarm's own that ended it; None when there was none."""


class Run:
    """Executes one run: a new one by its plan, or one that another controller left."""

    def __init__(self, scenario: Scenario, view: View, show: Callable[[Result, RunDirectory], None]) -> None:
        """`show` is called with the result once it is known, before the report is made."""
        self._scenario = scenario
        self._view = view
        self._show = show
        self._stop = StopOrder()
        self._metrics: MetricsServer | None = None
        self._earlier: Checkpoint | None = None
        self._worth_keys = False
        """Whether what is kept of the run can be resumed, as long as it has not come to its end."""
        self._concluded = self._left_alone = False
        self._fault: Exception | None = None

    def execute(self, plan: RunPlan) -> Finished:
        """Run the scenario. However it ends, what was started has ended, and the result is known, or what was measured is kept.

        Raises InputError, with nothing left behind, when the operator's input keeps it from starting.
        """
        _allow_descriptors()
        with ExitStack() as stack:
            roster = plan.roster
            simulated = node_names(self._scenario.nodes.expect) if roster is None else []
            host, port = (LOOPBACK, 0) if roster is None else (roster.host, roster.port)
            handover = FleetAccess(
                host=host if plan.host is None else plan.host,
                port=port if plan.port is None else plan.port,
                server_keys=new_keys() if roster is None else None,
                node_keys={name: new_keys() for name in [CONTROLLER, *simulated]},
                separate=plan.separate,
                roster=roster,
                variables=dict(plan.variables),
            )
            server = self._open_port(stack, handover)
            if plan.metrics_port is not None:
                self._metrics = MetricsServer(plan.metrics_port)
                stack.callback(self._metrics.close)
            directory = RunDirectory.create(plan.out, self._scenario.name, plan.started_at)
            self._started_at, self._warnings = plan.started_at, list(plan.warnings)
            try:
                self._handover, self._file = handover, HandoverFile.create(directory.keys, handover)
                stack.callback(self._close_keys)
                atomic_write_public(directory.scenario, self._scenario.to_yaml().encode(errors="replace"))
                store = Store(directory.database, create=True, kept_apart=self._scenario.endpoints_judged)
                stack.callback(store.close)
                store.put_meta("run", directory.name)
                store.put_meta("started_at", plan.started_at.isoformat(timespec="seconds"))
                store.put_meta("scenario", self._scenario.to_yaml())
                store.put_meta("warnings", list(plan.warnings))
                store.commit()
            except (OSError, sqlite3.Error) as error:
                raise InputError(
                    f"the output directory {directory.path} can't be written: {error}",
                    hint="Make room there, or name another one with --out.",
                ) from None
            return self._go_through(stack, server, store, directory)

    def resume(self, directory: RunDirectory) -> Finished:
        """Go on with a run whose controller died: same directory, what was left of its time, one result of it all.

        Raises InputError when there is no such run, it is still on, or it can't be read; AbortError when its target or its
        fleet is not there. Then all is left as it was, for another try.
        """
        _allow_descriptors()
        with ExitStack() as stack:
            if not directory.database.exists():
                raise InputError(
                    f"{directory.path} has no {directory.database.name}, so there is nothing to go on with"
                )
            self._file, handover = HandoverFile.take(directory.keys)
            self._worth_keys = True
            stack.callback(self._close_keys)
            self._view.say("reading what was measured so far")
            check_whole(directory.database)
            store = Store(directory.database, kept_apart=self._scenario.endpoints_judged)
            stack.callback(store.close)
            self._earlier = read_standing(store.meta(STANDING), directory.path)
            self._started_at = datetime.fromisoformat(str(store.meta("started_at")))
            self._warnings = msgspec.convert(store.meta("warnings") or [], list[str])
            if self._scenario.target != EMBEDDED:
                _reach(self._scenario.target)
            server = self._open_port(stack, handover)
            self._handover = handover
            return self._go_through(stack, server, store, directory)

    def _close_keys(self) -> None:
        """Remove the way to the fleet, unless the run can be resumed from what is kept of it."""
        broken_off = not self._concluded or (self._collector.broken_off and self._storage.resumable)
        if self._worth_keys and broken_off:
            self._file.release()
        else:
            self._file.remove()

    def _open_port(self, stack: ExitStack, handover: FleetAccess) -> FleetServer:
        server = FleetServer(handover.host, handover.port, handover.controller_keys(), handover.allowlist)
        stack.callback(server.close)
        handover.port = server.port
        weights = {} if handover.roster is None else handover.roster.weights
        self._registry = Registry(handover.nodes, weights, simulated=handover.roster is None)
        return server

    def _go_through(self, stack: ExitStack, server: FleetServer, store: Store, directory: RunDirectory) -> Finished:
        self._storage = StorageMonitor(directory)
        self._collector = Collector(
            store,
            self._registry,
            self._scenario,
            tell=server.send_to_agent,
            halt=self._stop.give,
            earlier=self._earlier,
        )
        self._processes = LocalProcesses(directory.logs)
        stack.enter_context(self._stop.on_signals(at_once=self._processes.kill))
        with self._view:
            if self._metrics is not None:
                self._view.say(f"metrics on {self._metrics.url}")
            for warning in self._warnings_at_start():
                self._view.warn(warning)
                self._warnings.append(warning)
            target, unreported = self._load(server, store, directory.name)
            self._view.say("working out the result")
            result = self._conclude(store, server, directory, target, unreported)
        self._concluded = True
        self._attempt(lambda: store.put_meta("verdict", result.verdict))
        self._attempt(store.commit)
        unwritten = write_outcome(result, store, self._scenario.to_yaml(), directory, self._show)
        return Finished(result, directory, unwritten, self._fault)

    def _attempt(self, step: Callable[[], object]) -> None:
        """Do one of several steps of which each is worth doing whatever becomes of the others."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other steps are to be done
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End the run, in order, for something that failed; it can be resumed from what is kept."""
        self._collector.broken_off = True
        if self._storage.note(error):
            self._stop.fail(self._storage.fault or str(error))
            return
        self._fault = self._fault or error
        self._stop.fail(f"a fault of piswarm's own: {type(error).__name__}: {error}")

    def _load(self, server: FleetServer, store: Store, run: str) -> tuple[str, list[str]]:
        """Bring everything up, put the load on, bring everything down; the target's URL, and workers without final report."""
        scenario, target, unreported = self._scenario, self._scenario.target, []
        environment = Environment(
            user_classes=load_user_classes(scenario.users, scenario.locustfile), stop_timeout=scenario.stop_timeout_s
        )
        self._master = environment._create_runner(  # noqa: SLF001  # the way to use a runner class of one's own
            FleetMaster, server=server, listener=self._collector, shares=scenario.users, run=run
        )
        self._revocations = Revocations(self._handover.roster, lambda text: self._collector.event("trust", None, text))
        watch = self._watch = Monitor(
            scenario=scenario,
            registry=self._registry,
            master=self._master,
            collector=self._collector,
            processes=self._processes,
            view=self._view,
            stop=self._stop,
            run=run,
            metrics=self._metrics,
            revocations=self._revocations,
            storage=self._storage,
            on_fault=self._fail,
            on_start=self._keep_started,
        )
        self._adopted = self._processes.adopt(self._handover.started)
        try:
            environment.host = target = self._find_target()
            self._start_fleet(server, target, run)
            with watch.running():
                self._wait_for_nodes()
                if self._earlier is not None:
                    store.put_meta("verdict", None)  # of the part before, if that was judged
                self._drive()
                unreported = self._finish()
        except AbortError as error:
            if self._earlier is not None and not self._collector.began:
                self._left_alone = True
                raise AbortError(
                    error.message, hint=f"{error.hint} Nothing was changed: resume it again.".strip()
                ) from None
            self._stop.give(f"{error.message}. {error.hint}".strip())
        except Exception as error:  # noqa: BLE001  # whatever it is, the run is to end in order
            self._fail(error)
        finally:
            self._end(left_alone=self._left_alone)
        return target, unreported

    def _end(self, *, left_alone: bool) -> None:
        """Bring everything down, step by step. A fleet that is `left_alone` waits for the next controller."""
        if not left_alone:
            self._attempt(self._collector.end)
            self._attempt(self._master.dismiss)
            # Who was never taken in can't be told to quit over the wire, and need not be waited for.
            grace_s = CHILDREN_END_S if self._collector.began else 0.0
            self._attempt(lambda: self._processes.stop(grace_s))
        self._attempt(self._master.close)

    def _find_target(self) -> str:
        if self._scenario.target == EMBEDDED:
            self._view.say("starting the embedded target")
            return self._processes.start_target(
                LOOPBACK if self._handover.roster is None else self._handover.roster.host
            )
        _reach(self._scenario.target)
        return self._scenario.target

    def _start_fleet(self, server: FleetServer, target: str, run: str) -> None:
        """Start all simulated nodes that are not there: in a run that goes on, some may have outlived its controller.

        Real nodes are there, waiting for a run.
        """
        keys, there = self._handover.node_keys, self._adopted
        self._processes.keep_agent(keys[CONTROLLER], server.endpoint, there=CONTROLLER in there)
        scenario = self._scenario
        work = Work(
            run=run,
            users=scenario.users,
            host=target,
            seed=scenario.seed,
            stop_timeout_s=scenario.stop_timeout_s,
            locustfile=None if scenario.locustfile is None else str(scenario.locustfile),
            users_max=scenario.max_users,
            spawn_rate=scenario.load[0].spawn_rate,
            duration_s=round(sum(ramps_s(scenario.load)) + sum(stage.hold_s for stage in scenario.load), 3),
            variables=self._handover.variables,
        )
        handover = self._handover
        if handover.roster is not None or handover.separate:
            self._collector.agents.assign(assignments(work, handover.nodes, handover.roster))
        missing = {name: pair for name, pair in keys.items() if name != CONTROLLER and name not in there}
        if missing:
            boards = boards_of(scenario.fleet, scenario.rack, scenario.seed, handover.nodes)
            self._processes.start_racks(missing, boards, server.endpoint, work, separate=handover.separate)
        self._keep_started()

    def _keep_started(self) -> None:
        """Keep which processes there are, for a controller that may have to take over."""
        self._handover.started = self._processes.started
        self._file.write(self._handover)

    def _warnings_at_start(self) -> list[str]:
        scenario, handover = self._scenario, self._handover
        limits = limit_warnings(
            scenario.max_users,
            len(handover.nodes),
            simulated=handover.roster is None,
            separate=handover.separate,
            embedded=scenario.target == EMBEDDED,
        )
        return [*self._storage.warnings_at_start(scenario), *limits]

    def _wait_for_nodes(self) -> None:
        wanted = self._scenario.nodes
        started_s = time.monotonic()
        deadline_s = started_s + wanted.wait_s
        while True:
            if self._stop.given:
                raise AbortError(self._stop.reason or "stopped")
            ready, absent = self._registry.usable, self._collector.agents.workers_missing()
            enough = ready >= wanted.min and self._collector.controller_present
            late = time.monotonic() > deadline_s
            to_come = wanted.expect - len(self._revocations.nodes)
            if enough and (late or (ready >= to_come and not absent)):
                if self._collector.ready_s is None:
                    self._collector.ready_s = round(time.monotonic() - started_s, 3)
                return
            if late:
                ended = self._collector.agents.last_end
                raise AbortError(
                    f"only {ready} of {wanted.expect} nodes were ready after {wanted.wait_s:.0f} s, {wanted.min} are needed"
                    + (f"; a worker has ended: {ended}" if ended else ""),
                    hint="See the logs in the run directory, or give nodes.wait more time."
                    if self._handover.roster is None
                    else "See fab status and fab logs for what the others say, or give nodes.wait more time.",
                )
            coming = f", {absent} worker(s) still to come" if absent else ""
            self._view.say(f"waiting for nodes: {ready} of {wanted.expect} ready{coming}")
            self._stop.wait(0.2)

    def _drive(self) -> None:
        """Go through the stages; returns early when the run is to stop."""
        self._collector.begin()
        self._worth_keys = True
        users = 0
        for stage in self._collector.stages:
            if stage.users != users:
                ramp = self._master.ramp_to(stage.users, stage.spawn_rate)
                gevent.wait([ramp, self._stop.event], count=1)
                if ramp.ready() and not ramp.successful():
                    self._stop.give(f"the ramp to {stage.users} users failed by a fault of ours: {ramp.exception!r}")
            if self._stop.given:
                return
            users = stage.users
            self._collector.progress.hold_started(self._collector.offset_s())
            if self._stop.wait(stage.hold_s):
                return

    def _finish(self) -> list[str]:
        """End the load; the workers that did not report to the end."""
        self._collector.load_ended(self._stop.reason)
        self._view.say("stopping: users finish their tasks, workers report")
        # What can't be kept need not be waited for.
        reports_s = FINAL_REPORTS_S if self._storage.writable else 0.0
        unreported: list[str] = self._master.finish(self._scenario.stop_timeout_s + reports_s)
        return unreported

    def _conclude(
        self, store: Store, server: FleetServer, directory: RunDirectory, target: str, unreported: list[str]
    ) -> Result:
        collector = self._collector
        facts = RunFacts(
            run_id=directory.name,
            started_at=self._started_at,
            duration_s=collector.duration_s,
            target=target,
            steady_seconds=collector.steady_seconds(),
            users_peak=collector.users_peak,
            nodes_peak=self._registry.peak_ready,
            nodes_lost=len(self._registry.ever_lost),
            nodes_quarantined=len(self._registry.ever_quarantined),
            ready_s=collector.ready_s,
            gaps=collector.gaps,
            simulated=self._registry.simulated,
            slowed=self._handover.roster is None and not self._handover.separate,
            clocks_off=self._registry.clocks_off(CLOCK_OFF_S),
            dropped_messages=collector.refusals.named(server.drops + collector.dropped + collector.agents.dropped),
            unreported_workers=sorted({*unreported, *collector.receipts.cut_off}),
            locust_version=locust_version,
            broken_rule=collector.broken_rule,
            silent_classes=collector.user_classes.silent,
            aborted=self._stop.reason or collector.stop_reason,
            warnings=[*self._warnings, *disbelieved(store.events())],
        )
        result = conclude(self._scenario, store, collector.fitness, facts)
        bottleneck = bottleneck_in(self._watch.target_cpu, facts.steady_seconds)
        if bottleneck is not None:
            result.reason = f"{result.reason.removesuffix('.')}. {bottleneck}"
            result.warnings.append(bottleneck)
        return result


def _allow_descriptors() -> None:
    """Each node takes two descriptors here, each user one at the target: let this process and its children have all there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _reach(url: str) -> None:
    """Make sure that something listens at `url`. Raises AbortError when nothing does."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise AbortError(
            f"the target {url} can't be reached: {error.strerror or error}",
            hint="Is it running, and is the URL right? No load was sent.",
        ) from None
