"""What a run needs before anything is started: an open port, a run directory, its keys and its run.db."""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from master.data.table_file import TableFile
from master.fleet.registry import Registry
from master.fleet.server import FleetServer
from master.hooks.orders import Receiver
from master.project.archive.packing import PackedProject
from master.project.scenario_loading import Project
from master.run.checkpoint import AccessFile, Checkpoint, FleetAccess
from master.run.directory import RunDirectory
from master.run.processes.local import Started
from master.run.shutdown import Shutdown
from master.scenario import Scenario
from master.services.required import RequiredServices
from master.store import Store
from master.web.metrics.server import MetricsServer

LOOPBACK = "127.0.0.1"


class RunKeys:
    """The run's `keys.json`, by which another controller can resume it. Released or removed at the end, with the project's archive."""

    def __init__(self, file: AccessFile, access: FleetAccess, directory: RunDirectory, *, resumable: bool) -> None:
        self.resumable = resumable
        """Whether another controller may resume the run: then the file stays."""
        self._file = file
        self._access = access
        self._archive = directory.project

    def note_started(self, started: Started) -> None:
        """Keep which processes there are, for a controller that may have to take over."""
        self._access.started = started
        self._file.write(self._access)

    def close(self) -> None:
        """Let another controller take the file, or remove it where there is nothing to resume."""
        if self.resumable:
            self._file.release()
        else:
            self._file.remove()
            self._archive.unlink(missing_ok=True)


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to start. Everything in it is closed by the Shutdown that it was prepared with."""

    scenario: Scenario
    directory: RunDirectory
    started_at: datetime
    warnings: Sequence[str]
    """What the operator was warned of in the input."""
    access: FleetAccess
    keys: RunKeys
    server: FleetServer
    registry: Registry
    store: Store
    packed: PackedProject | None = None
    """What nodes fetch; None where they need nothing, or have it on this machine."""
    metrics: MetricsServer | None = None
    tables: Mapping[str, TableFile] = field(default_factory=dict)
    """The files of the scenario's data, checked."""
    services: RequiredServices | None = None
    """What the scenario requires; None where that is nothing."""
    page: str | None = None
    """URL of the page that shows the run; None without one."""
    receivers: Sequence[Receiver] = ()
    """Who is told of the run by its hooks."""
    checkpoint: Checkpoint | None = None
    """The state that a resumed run goes on from; None for a new run."""
    project: Project | None = None
    """The Locust project whose users run; None for the user classes that come with piswarm."""


def open_port(access: FleetAccess, shutdown: Shutdown) -> tuple[FleetServer, Registry]:
    """Open the port that the fleet connects to; `access` gets its number. Raises InputError when it can't be had."""
    server = FleetServer(access.host, access.port, access.controller_keys(), access.allowlist)
    shutdown.add("closing the fleet's port", server.close)
    access.port = server.port
    weights = {} if access.roster is None else access.roster.weights
    return server, Registry(access.nodes, weights, simulated=access.roster is None)


def raise_file_limit() -> None:
    """Let this process and those that it starts open as many files as the hard limit allows.

    Each node takes two descriptors here, each user one at the target.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
