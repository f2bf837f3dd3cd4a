"""The processes of a run on the controller's machine: the embedded target, the controller's agent, simulated nodes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import gevent
import msgspec

from master.errors import AbortError
from master.run.processes.child_process import Adopted, Child, ProcessRecord, cap_log, end_all, kill_all
from master.store import CONTROLLER
from worker.agent.supervisor import Backoff
from worker.simulation.orders import RackNode, RackOrders, SimulatedBoard, SimulatedNodeOrders
from worker.wire.curve import Endpoint, Keys
from worker.wire.orders import NodeOrders, WorkerSpec
from worker.wire.work import Work

AGENT = "agent"
"""The name of the process that samples this machine."""
MAX_AGENT_RESTARTS = 8
"""Early ends, each within worker.agent.supervisor.RECOVERED_AFTER_S, after which it is not restarted any more."""
MAX_RACKS = 8
TARGET_READY_S = 30.0
OUTLIVE_S = 60.0
"""Time in seconds that the processes of a local run wait for another controller when theirs has died."""


def node_names(count: int) -> list[str]:
    """Names of simulated nodes: sim001, sim002, …."""
    width = max(3, len(str(count)))
    return [f"sim{number:0{width}}" for number in range(1, count + 1)]


class _Ready(msgspec.Struct):
    """The line that the target prints once it serves."""

    ready: bool
    url: str


class TargetOrders(msgspec.Struct, frozen=True):
    """What the embedded target reads from its standard input first."""

    password: str


class Started(msgspec.Struct, frozen=True):
    """The processes of a run, for a controller that takes it over: `nodes` has the nodes of each."""

    processes: list[ProcessRecord] = []
    nodes: dict[str, list[str]] = {}
    target: ProcessRecord | None = None
    target_url: str = ""


class LocalProcesses:
    """The processes of one run; each logs to a file of its own in `logs`."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._generators: list[Child | Adopted] = []
        self._nodes: dict[str, list[str]] = {}
        self._target: Child | Adopted | None = None
        self._target_url = ""
        self._agent: tuple[Keys, Endpoint] | None = None
        self._agent_backoff = Backoff("agent")
        self._agent_started_s = 0.0
        self._agent_due_s: float | None = None

    @property
    def started(self) -> Started:
        """All that live, for a controller that may have to take over."""
        target = None if self._target is None else self._target.record
        return Started([child.record for child in self._generators], self._nodes, target, self._target_url)

    def adopt(self, started: Started) -> set[str]:
        """Take over what still lives of another controller's processes; the nodes that are among them.

        The agent of this machine is ended: it has nothing that a new one has not, and if another run has refused it meanwhile,
        it waits for up to half a minute before it tries again.
        """
        nodes: set[str] = set()
        for record in started.processes:
            try:
                process = Adopted(record)
            except ProcessLookupError:
                continue
            if record.name == AGENT:
                end_all([process], 0.0)
                continue
            self._generators.append(process)
            self._nodes[record.name] = started.nodes.get(record.name, [])
            nodes.update(self._nodes[record.name])
        if started.target is not None:
            with contextlib.suppress(ProcessLookupError):
                self._target, self._target_url = Adopted(started.target), started.target_url
        return nodes

    @property
    def has_target(self) -> bool:
        """Whether the embedded target was started or adopted."""
        return self._target is not None

    @property
    def target_pid(self) -> int | None:
        """The process of the embedded target; None where there is none."""
        return None if self._target is None else self._target.record.pid

    def start_target(self, host: str, port: int, password: str) -> str:
        """Start the embedded target on `port` of the address `host`, unless it was adopted; its URL, once it serves.

        Port 0 is a free one. `password` is that of all its accounts. Raises AbortError when it does not serve.
        """
        if self._target is not None:
            return self._target_url
        log = self._log("target")
        self._target = target = Child(
            "target",
            "master.target",
            "--orders-on-stdin",
            "--until-stdin-closes",
            f"--outlive={OUTLIVE_S}",
            f"--host={host}",
            f"--port={port}",
            log=log,
            orders=TargetOrders(password),
            pipe_stdout=True,
            outlives_controller=True,
        )
        line = ""
        with gevent.Timeout(TARGET_READY_S, exception=False):
            line = target.read_line()
        try:
            self._target_url = msgspec.json.decode(line, type=_Ready).url
        except msgspec.MsgspecError:
            target.stop(0)
            fixed = f" It needs port {port}, the one after the master's; --port moves both." if port else ""
            raise AbortError(
                f"the embedded target did not start: {target.describe_end()}", hint=f"Its log is {log}.{fixed}"
            ) from None
        return self._target_url

    def start_agent(self, keys: Keys, endpoint: Endpoint) -> None:
        """Start the agent that samples this machine; it is kept running by `restart_agent`."""
        self._agent = keys, endpoint
        self._start_agent_process()

    def _start_agent_process(self) -> None:
        assert self._agent is not None
        keys, endpoint = self._agent
        orders = NodeOrders(CONTROLLER, endpoint, keys, carries_load=False, outlive_s=OUTLIVE_S)
        self._agent_started_s, self._agent_due_s = time.monotonic(), None
        self._start(AGENT, "worker.agent.node", orders, [CONTROLLER])

    def restart_agent(self, now_s: float) -> bool:
        """Restart the agent of this machine when it has ended and its back-off is over; whether it was started."""
        if (
            self._agent_due_s is None
            or now_s < self._agent_due_s
            or self._agent_backoff.early_ends > MAX_AGENT_RESTARTS
        ):
            return False
        self._start_agent_process()
        return True

    def start_racks(
        self,
        keys: Mapping[str, Keys],
        boards: Mapping[str, SimulatedBoard],
        endpoint: Endpoint,
        work: Work,
        *,
        separate_processes: bool,
    ) -> None:
        """Start simulated nodes, one for each name in `keys`: in a process for each core, or in `separate_processes` for each node.

        In separate processes each worker gets its orders from its agent. `boards` has the board of each node of the whole run, in
        order of their numbers (see master/run/processes/simulated_boards.py).
        """
        if separate_processes:
            for name, node_keys in keys.items():
                orders = SimulatedNodeOrders(name, endpoint, node_keys, board=boards[name], outlive_s=OUTLIVE_S)
                self._start(name, "worker.simulation.node", orders, [name])
            return
        numbers = {name: number for number, name in enumerate(boards)}
        nodes = [RackNode(WorkerSpec(name, numbers[name], node_keys), boards[name]) for name, node_keys in keys.items()]
        racks = min(len(nodes), os.cpu_count() or 1, MAX_RACKS)
        for rack in range(racks):
            held = nodes[rack::racks]
            orders_ = RackOrders(endpoint, held, work, outlive_s=OUTLIVE_S)
            self._start(f"rack-{rack + 1}", "worker.simulation.rack", orders_, [node.worker.node for node in held])

    def _start(self, name: str, module: str, orders: msgspec.Struct, nodes: Iterable[str]) -> None:
        self._generators.append(Child(name, module, log=self._log(name), orders=orders, outlives_controller=True))
        self._nodes[name] = list(nodes)

    def _log(self, name: str) -> Path:
        """Path of a new log file; logs of an earlier controller's processes stay."""
        path, number = self._logs / f"{name}.log", 1
        while path.exists():
            number += 1
            path = self._logs / f"{name}-{number}.log"
        return path

    def cap_logs(self) -> None:
        """Cut logs that have grown too long."""
        for log in self._logs.glob("*.log"):
            cap_log(log)

    def target_end(self) -> str | None:
        """Description of how the target ended by itself; None while it lives, or where there is none."""
        return self._target.describe_end() if self._target is not None and self._target.ended() else None

    def ended_generators(self) -> list[str]:
        """Descriptions of all other processes that have ended by themselves since the last call."""
        ended = [child for child in self._generators if child.ended()]
        self._generators = [child for child in self._generators if child not in ended]
        if any(child.name == AGENT for child in ended):
            now_s = time.monotonic()
            self._agent_due_s = now_s + self._agent_backoff.after_end(now_s - self._agent_started_s)
        return [f"{child.name}: {child.describe_end()}" for child in ended]

    def stop(self, grace_s: float) -> list[str]:
        """Let all but the target end by themselves for `grace_s`; then end what is left, and the target.

        Returns a sentence for each that could not be ended.
        """
        living = end_all(self._generators, grace_s, without_grace=[] if self._target is None else [self._target])
        return [
            f"the process {child.name} (pid {child.record.pid}) could not be ended; end it with: kill -9 {child.record.pid}"
            for child in living
        ]

    def kill(self) -> None:
        """Kill all of them at once."""
        kill_all([*self._generators, *([self._target] if self._target else [])])
