"""Preparing a new run: its port, directory, keys and run.db. Nothing is started yet."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from master.analysis.compare.files import BASELINE_KEY
from master.data.tables import close_tables, open_tables
from master.errors import InputError
from master.hooks.orders import receivers_of
from master.project.archive.files import ProjectFile, find_files
from master.project.archive.packing import pack
from master.project.scenario_loading import Project
from master.project.sources_seen import SOURCES_KEY, sources_seen
from master.run.checkpoint import AccessFile, FleetAccess
from master.run.directory import RunDirectory
from master.run.processes.child_process import Child
from master.run.processes.local import node_names
from master.run.real_nodes.roster import Roster
from master.run.shutdown import Shutdown
from master.run.start.prepared_run import LOOPBACK, PreparedRun, RunKeys, open_port
from master.scenario import EMBEDDED, Scenario
from master.services.required import RequiredServices
from master.store import CONTROLLER, RACKS_KEY, Store
from master.web.metrics.otlp.orders import MODULE, PushOrders
from master.web.metrics.server import MetricsServer
from master.web.serve import orders as page_orders
from master.web.serve.orders import PageOrders
from worker.atomic_write import atomic_write_public
from worker.users.lucid.accounts import PASSWORD_VARIABLE
from worker.wire.curve import new_keys


@dataclass(frozen=True)
class RunPlan:
    """What to run, and where: `out` is the run directory (None: a new one below `runs/`).

    The master listens on `host` and `port`; 0 takes a free one, None is what the nodes of the `roster` know, or a free one on
    loopback. Without a roster all nodes are simulated, each with processes of its own if `separate_processes`.
    """

    scenario: Scenario
    out: Path | None
    started_at: datetime
    host: str | None = None
    port: int | None = None
    separate_processes: bool = False
    roster: Roster | None = None
    metrics_port: int | None = None
    """Port of loopback that serves the run's metrics to Prometheus; None for none."""
    web_port: int | None = None
    """Port of loopback with a page that shows the run; None for none."""
    metrics_otlp: str | None = None
    """Base URL of an OpenTelemetry collector that gets them; None for none."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables from which the locustfile's own options get their values (worker/load/locustfile/options.py)."""
    services: RequiredServices | None = None
    """What the scenario requires; None where that is nothing."""
    warnings: Sequence[str] = ()
    """What the operator was warned of in the input."""
    project: Project | None = None
    """The Locust project whose users run; None for the user classes that come with piswarm."""
    baseline: Path | None = None
    """The run directory with which the run is compared when it ends; None for none."""


def prepare_new(plan: RunPlan, shutdown: Shutdown) -> PreparedRun:
    """Open what a new run needs; `shutdown` closes it. Raises InputError when the operator's input keeps it from starting."""
    files = _files_to_fetch(plan)
    receivers = receivers_of(plan.scenario.hooks, os.environ)
    tables = open_tables(plan.scenario)
    shutdown.add("closing the files of data", lambda: close_tables(tables))
    access = _fleet_access(plan)
    server, registry = open_port(access, shutdown)
    metrics = None
    if plan.metrics_port is not None or plan.metrics_otlp is not None:
        metrics = MetricsServer(plan.metrics_port or 0)
        shutdown.add("closing the metrics' port", metrics.close)
    directory = RunDirectory.create(plan.out, plan.scenario.name, plan.started_at)
    try:
        keys = RunKeys(AccessFile.create(directory.keys, access), access, directory, resumable=False)
        shutdown.add(f"closing {directory.keys.name}", keys.close)
        if metrics is not None and plan.metrics_otlp is not None:
            push = PushOrders(metrics.url, plan.metrics_otlp, directory.path.name)
            sender = Child("metrics", MODULE, log=directory.logs / "metrics-otlp.log", orders=push)
            shutdown.add("ending the sender of metrics", lambda: sender.stop(0))
        page = None if plan.web_port is None else _start_page(plan.web_port, directory, shutdown)
        packed = None if files is None else pack(files, directory.project)
        store = _create_store(plan, directory, shutdown)
    except InputError:
        directory.clear()
        raise
    except (OSError, sqlite3.Error) as error:
        directory.clear()
        raise InputError(
            f"the output directory {directory.path} can't be written: {error}",
            hint="Make room there, or name another one with --out.",
        ) from None
    return PreparedRun(
        scenario=plan.scenario,
        directory=directory,
        started_at=plan.started_at,
        warnings=plan.warnings,
        access=access,
        keys=keys,
        server=server,
        registry=registry,
        store=store,
        packed=packed,
        metrics=metrics,
        project=plan.project,
        tables=tables,
        services=plan.services,
        receivers=receivers,
        page=page,
    )


def _start_page(port: int, directory: RunDirectory, shutdown: Shutdown) -> str:
    """Start the page that shows the run; its URL. Raises InputError where it can't listen."""
    orders = PageOrders(str(directory.path.parent), port)
    child = Child("web", page_orders.MODULE, log=directory.logs / "web.log", orders=orders, pipe_stdout=True)
    shutdown.add("ending the page", lambda: child.stop(0))
    said = child.read_line().strip()
    if not said.startswith("http"):
        raise InputError(
            said or f"the page did not start: {child.describe_end()}",
            hint="Choose another --web-port; 0 takes a free one.",
        )
    return f"{said}/runs/{quote(directory.path.name)}"


def _files_to_fetch(plan: RunPlan) -> list[ProjectFile] | None:
    """The files of the operator's project, where nodes can't import it in place. Raises InputError."""
    project = plan.scenario.project
    if project is None or (plan.roster is None and not plan.separate_processes):
        return None
    return find_files(project)


def _fleet_access(plan: RunPlan) -> FleetAccess:
    roster = plan.roster
    simulated = node_names(plan.scenario.nodes.expect) if roster is None else []
    host, port = (LOOPBACK, 0) if roster is None else (roster.host, roster.port)
    return FleetAccess(
        host=host if plan.host is None else plan.host,
        port=port if plan.port is None else plan.port,
        server_keys=new_keys() if roster is None else None,
        node_keys={name: new_keys() for name in [CONTROLLER, *simulated]},
        separate_processes=plan.separate_processes,
        roster=roster,
        variables=dict(plan.variables),
        environment=_environment(plan.scenario),
        target_password=_target_password(plan.scenario),
    )


def _environment(scenario: Scenario) -> dict[str, str]:
    """The environment variables that nodes get. Raises InputError where one is not set here."""
    missing = [name for name in scenario.environment if name not in os.environ]
    if missing:
        raise InputError(
            f"environment: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set here, where the run is started",
            hint="Set what the scenario names, or take it out there.",
        )
    return {name: os.environ[name] for name in scenario.environment}


def _target_password(scenario: Scenario) -> str:
    """A new password for the accounts of an embedded target; that of the environment for another one, empty where there is none."""
    return secrets.token_urlsafe() if scenario.target == EMBEDDED else os.environ.get(PASSWORD_VARIABLE, "")


def _create_store(plan: RunPlan, directory: RunDirectory, shutdown: Shutdown) -> Store:
    scenario_yaml = plan.scenario.to_yaml()
    atomic_write_public(directory.scenario, scenario_yaml.encode(errors="replace"))
    store = Store(directory.database, create=True, reserved=plan.scenario.endpoints_judged)
    shutdown.add(f"closing {directory.database}", store.close)
    store.put_meta("run", directory.name)
    store.put_meta("started_at", plan.started_at.isoformat(timespec="seconds"))
    store.put_meta("scenario", scenario_yaml)
    store.put_meta("warnings", list(plan.warnings))
    if plan.project is not None and plan.scenario.project is not None:
        store.put_meta(SOURCES_KEY, sources_seen(plan.scenario.project, plan.project.facts))
    if plan.baseline is not None:
        store.put_meta(BASELINE_KEY, str(plan.baseline.resolve()))
    if plan.roster is not None:
        store.put_meta(
            RACKS_KEY, {member.name: member.rack for member in plan.roster.members if member.rack is not None}
        )
    store.commit()
    return store
