"""Preparing a run that another controller left: what it kept is read, and its port is opened again. Nothing is started yet."""

from __future__ import annotations

import os
from datetime import datetime

import msgspec

from master.data.tables import close_tables, open_tables
from master.errors import InputError
from master.hooks.orders import receivers_of
from master.project.archive.packing import find_packed
from master.project.scenario_loading import LoadedScenario
from master.project.sources_seen import SOURCES_KEY, sources_seen, warn_of_changes
from master.run.checkpoint import AccessFile, read_checkpoint
from master.run.directory import RunDirectory
from master.run.live_view import View
from master.run.shutdown import Shutdown
from master.run.start.fleet import check_reachable
from master.run.start.prepared_run import PreparedRun, RunKeys, open_port
from master.scenario import EMBEDDED
from master.services.required import RequiredServices
from master.store import CHECKPOINT_KEY, Store, check_integrity


def prepare_resumed(  # noqa: PLR0917  # each of its own type
    read: LoadedScenario,
    directory: RunDirectory,
    file: AccessFile,
    view: View,
    shutdown: Shutdown,
    services: RequiredServices | None = None,
) -> PreparedRun:
    """Open again what an earlier controller had opened; `shutdown` closes it, `file` too, and the run stays as it was for another try.

    Raises InputError when there is no such run, or it can't be read; AbortError when its target is not there.
    """
    scenario, access = read.scenario, file.access
    receivers = receivers_of(scenario.hooks, os.environ)
    keys = RunKeys(file, access, directory, resumable=True)
    shutdown.add(f"closing {directory.keys.name}", keys.close)
    if not directory.database.exists():
        raise InputError(f"{directory.path} has no {directory.database.name}, so there is nothing to go on with")
    view.show_step("reading what was measured so far")
    check_integrity(directory.database)
    store = Store(directory.database, reserved=scenario.endpoints_judged)
    shutdown.add(f"closing {directory.database}", store.close)
    checkpoint = read_checkpoint(store.meta(CHECKPOINT_KEY), directory.path)
    started_at = datetime.fromisoformat(str(store.meta("started_at")))
    warnings = msgspec.convert(store.meta("warnings") or [], list[str])
    tables = open_tables(scenario)
    shutdown.add("closing the files of data", lambda: close_tables(tables))
    if scenario.target != EMBEDDED:
        for url in scenario.targets:
            check_reachable(url)
    fetched = scenario.project is not None and (access.roster is not None or access.separate_processes)
    packed = find_packed(directory.project) if fetched else None
    for change in _changes(store, read, nodes_keep_theirs=fetched):
        view.warn(change)
        if change not in warnings:
            warnings.append(change)
            store.put_meta("warnings", warnings)
    server, registry = open_port(access, shutdown)
    return PreparedRun(
        scenario=scenario,
        directory=directory,
        started_at=started_at,
        warnings=warnings,
        access=access,
        keys=keys,
        server=server,
        registry=registry,
        store=store,
        packed=packed,
        checkpoint=checkpoint,
        project=read.project,
        tables=tables,
        services=services,
        receivers=receivers,
    )


def _changes(store: Store, read: LoadedScenario, *, nodes_keep_theirs: bool) -> list[str]:
    """Warnings of a project that has changed since the run began."""
    before = store.meta(SOURCES_KEY)
    if read.project is None or read.scenario.project is None or not isinstance(before, dict):
        return []
    now = sources_seen(read.scenario.project, read.project.facts)
    return warn_of_changes(before, now, nodes_keep_theirs=nodes_keep_theirs)
