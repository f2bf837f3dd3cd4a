"""Bringing up what the load needs: the target, the nodes of this machine, and the wait until enough nodes are ready."""

from __future__ import annotations

import socket
import time
from collections.abc import Set as AbstractSet
from urllib.parse import urlsplit

import msgspec

from master.data.tables import first_rows
from master.errors import AbortError
from master.load.arrival_plan import plan_of
from master.project.archive.parts import ProjectParts
from master.project.checks.needed_modules import needed_modules
from master.run.collect.collector import Collector
from master.run.live_view import View
from master.run.load.open_load import spawn_rate_per_s
from master.run.processes.local import AGENT, LocalProcesses
from master.run.processes.orphaned_target import end_orphaned_targets
from master.run.processes.simulated_boards import assign_boards
from master.run.real_nodes.module_check import ModuleCheck
from master.run.real_nodes.revocations import Revocations
from master.run.real_nodes.roster import assignments
from master.run.real_nodes.tracing_check import TracingCheck
from master.run.start.prepared_run import LOOPBACK, PreparedRun
from master.run.stop import StopRequest
from master.scenario import EMBEDDED, Scenario
from master.scenario.model import ramps_s
from master.scenario.schema.scenario import DATABASE_PORTS, SQLITE_SCHEME
from master.store import CONTROLLER
from worker.wire.work import Work

POLL_S = 0.2
"""Interval at which the nodes are polled for being ready, and an orphaned target for having ended, in seconds."""
ORPHAN_END_S = 10.0
"""Longest wait for an orphaned target to end; it lets requests finish for 5 s."""


def find_target(prepared: PreparedRun, processes: LocalProcesses, stop: StopRequest, view: View) -> str:
    """The URL of the target: of the embedded one, which is started, or of one that is reachable. Raises AbortError."""
    if prepared.scenario.target == EMBEDDED:
        access = prepared.access
        # Real nodes reach it through the controller's firewall, and so at a port that is known beforehand.
        host, port = (LOOPBACK, 0) if access.roster is None else (access.roster.host, access.port + 1)
        if port and not processes.has_target:
            _free_port(host, port, stop, view)
        view.show_step("starting the embedded target")
        return processes.start_target(host, port, access.target_password)
    for url in prepared.scenario.targets:
        check_reachable(url)
    return prepared.scenario.target


def _free_port(host: str, port: int, stop: StopRequest, view: View) -> None:
    """End the target that a run whose controller died has left there, which would wait OUTLIVE_S for another controller.

    A resume of that run starts its target anew. Raises AbortError when the run is to stop.
    """
    deadline_s = time.monotonic() + ORPHAN_END_S
    while (pids := end_orphaned_targets(host, port)) and time.monotonic() < deadline_s:
        view.show_step(f"ending the embedded target of an earlier run (pid {pids[0]}), which holds port {port}")
        if stop.wait(POLL_S):
            raise AbortError(stop.reason or "stopped")


def check_reachable(url: str) -> None:
    """Make sure that something listens at `url`, unless it is a file. Raises AbortError when nothing does."""
    if url.startswith(SQLITE_SCHEME):
        return
    parts = urlsplit(url)
    port = parts.port or {"https": 443, **DATABASE_PORTS}.get(parts.scheme, 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise AbortError(
            f"the target {url} can't be reached: {error.strerror or error}",
            hint="Is it running, and is the URL right? No load was sent.",
        ) from None


def start_fleet(
    prepared: PreparedRun, processes: LocalProcesses, collector: Collector, target: str, adopted: AbstractSet[str]
) -> None:
    """Start the agent of this machine and all simulated nodes but those `adopted`, which outlived an earlier controller.

    Real nodes are there, waiting for a run.
    """
    access, scenario, endpoint = prepared.access, prepared.scenario, prepared.server.endpoint
    processes.start_agent(access.node_keys[CONTROLLER], endpoint)
    work = work_of(prepared, target)
    if access.roster is not None or access.separate_processes:
        packed = prepared.packed
        if packed is not None:
            if scenario.project is not None and access.roster is not None:
                collector.agents.modules = ModuleCheck(needed_modules(scenario.project))
            collector.agents.parts = ProjectParts(packed.archive, packed.described, prepared.server.send_to_agent)
        described = None if packed is None else packed.described
        collector.agents.assign(assignments(work, access.nodes, access.roster, described))
    missing = {name: keys for name, keys in access.node_keys.items() if name not in {CONTROLLER, *adopted}}
    if missing:
        boards = assign_boards(scenario.fleet, scenario.rack, scenario.seed, access.nodes)
        processes.start_racks(missing, boards, endpoint, work, separate_processes=access.separate_processes)
    prepared.keys.note_started(processes.started)


def work_of(prepared: PreparedRun, target: str) -> Work:
    """The work of all workers of the run."""
    scenario = prepared.scenario
    project = scenario.project
    return Work(
        run=prepared.directory.name,
        users=scenario.users,
        host=None if scenario.hosts else target,
        seed=scenario.seed,
        stop_timeout_s=scenario.stop_timeout_s,
        root=None if project is None else str(project.root),
        locustfiles=[] if project is None else project.relative,
        working_directory=str(project.root) if project is not None and project.whole else None,
        users_max=scenario.max_users,
        spawn_rate=_spawn_rate_per_s(scenario),
        duration_s=_load_s(scenario),
        variables=prepared.access.variables,
        arguments=scenario.arguments,
        tags=None if scenario.tags is None else list(scenario.tags),
        exclude_tags=None if scenario.exclude_tags is None else list(scenario.exclude_tags),
        environment=prepared.access.environment,
        tracing=scenario.tracing,
        target_password=prepared.access.target_password,
        arrivals=plan_of(scenario.open_stages, scenario.seed) if scenario.open_model else None,
        data={
            name: msgspec.structs.replace(table.describe(scenario.data[name].use), first=first_rows(scenario))
            for name, table in prepared.tables.items()
        },
    )


def _spawn_rate_per_s(scenario: Scenario) -> float:
    if scenario.open_model:
        return spawn_rate_per_s(scenario.open_stages[0].max_users)
    return scenario.closed_stages[0].spawn_rate


def _load_s(scenario: Scenario) -> float:
    return round(sum(ramps_s(scenario.load)) + sum(stage.hold_s for stage in scenario.load), 3)


def wait_for_nodes(
    prepared: PreparedRun, collector: Collector, revocations: Revocations, stop: StopRequest, view: View
) -> None:
    """Wait until enough nodes are ready: all that are expected, or after `nodes.wait` the least that will do.

    Raises AbortError when there are fewer then, or when the run is to stop.
    """
    wanted = prepared.scenario.nodes
    tracing = TracingCheck(wanted=prepared.scenario.tracing is not None and prepared.access.roster is not None)
    started_s = time.monotonic()
    deadline_s = started_s + wanted.wait_s
    while True:
        if stop.requested:
            raise AbortError(stop.reason or "stopped")
        ready, absent = prepared.registry.usable, collector.agents.workers_missing()
        present = collector.controller_present
        enough = ready >= wanted.min and present
        late = time.monotonic() > deadline_s
        to_come = wanted.expect - len(revocations.nodes)
        begins = enough and (late or (ready >= to_come and not absent))
        tracing.check(prepared.registry.nodes, time.monotonic(), begins=begins)
        if collector.agents.modules is not None:
            collector.agents.modules.check(prepared.registry.nodes, time.monotonic(), begins=begins)
        if begins:
            if collector.record.ready_s is None:
                collector.record.ready_s = round(time.monotonic() - started_s, 3)
            return
        if late:
            if ready >= wanted.min:
                raise _no_controller_agent(prepared)
            raise _too_few(prepared, ready, collector.agents.last_end)
        view.show_step(describe_wait(ready, wanted.expect, workers_missing=absent, controller_present=present))
        stop.wait(POLL_S)


def describe_wait(ready: int, expected: int, *, workers_missing: int, controller_present: bool) -> str:
    """What the run waits for before its load begins, as `step: progress`."""
    missing = [f"{workers_missing} worker(s)"] if workers_missing else []
    if not controller_present:
        missing.append("the controller's own agent")
    coming = f", {' and '.join(missing)} still to come" if missing else ""
    return f"waiting for nodes: {ready} of {expected} ready{coming}"


def _no_controller_agent(prepared: PreparedRun) -> AbortError:
    return AbortError(
        f"the controller's own agent did not come within {prepared.scenario.nodes.wait_s:.0f} s",
        hint=f"See {AGENT}*.log in {prepared.directory.logs}.",
    )


def _too_few(prepared: PreparedRun, ready: int, last_end: str) -> AbortError:
    wanted = prepared.scenario.nodes
    return AbortError(
        f"only {ready} of {wanted.expect} nodes were ready after {wanted.wait_s:.0f} s, {wanted.min} are needed"
        + (f"; a worker has ended: {last_end}" if last_end else ""),
        hint="See the logs in the run directory, or give nodes.wait more time."
        if prepared.access.roster is None
        else "See fab status and fab logs for what the others say, or give nodes.wait more time.",
    )
