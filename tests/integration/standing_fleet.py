"""Real agents on loopback that wait for runs, and the inventory and keys by which `piswarm run --inventory` finds them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import psutil
from free_ports import free_ports
from processes import ROOT, Piswarm

from master.trust.allowlist import SCHEMA, Allowlist
from master.trust.state import StateDirectory, controller_keys
from worker.agent.keys import node_keys
from worker.agent.settings import KEYS, SETTINGS, NodeSettings
from worker.wire.curve import Endpoint

LIMIT_S = 60.0


class StandingFleet:
    """Nodes pi1, pi2, … with an agent each, for the length of a `with` block."""

    def __init__(
        self,
        directory: Path,
        nodes: int,
        variables: dict[str, dict[str, Any]] | None = None,
        *,
        modules: Path | None = None,
    ) -> None:
        """Prepare nodes, with `variables` as the inventory's variables of some of them, by name.

        What is in the folder `modules` they import in place of what is installed.
        """
        self._python_path = os.pathsep.join(map(str, filter(None, [modules, ROOT])))
        self.names = [f"pi{number}" for number in range(1, nodes + 1)]
        self.state = directory / "state"
        self.inventory = directory / "inventory.json"
        self._directory = directory
        self._agents: dict[str, subprocess.Popen[bytes]] = {}
        self.port = free_ports(2)  # the master's, and the embedded target's
        self.endpoint = endpoint = Endpoint(f"tcp://127.0.0.1:{self.port}", controller_keys(self.state).public)
        keys = {}
        for name in self.names:
            folder = self.folder(name)
            keys[name] = node_keys(folder / KEYS).public
            (folder / SETTINGS).write_bytes(msgspec.json.encode(NodeSettings(name, endpoint)))
        Allowlist(SCHEMA, keys).write(StateDirectory(self.state).allowlist)
        hosts = {
            name: {"ansible_host": f"127.0.0.{number}", **(variables or {}).get(name, {})}
            for number, name in enumerate(self.names, 10)
        }
        group = {"hosts": hosts, "vars": {"piswarm_controller": f"127.0.0.1:{self.port}", "piswarm_workers": 1}}
        self.inventory.write_text(json.dumps({"workers": group}))  # JSON is YAML

    @property
    def options(self) -> tuple[str, ...]:
        """Return options of `piswarm run` for this fleet."""
        return ("--inventory", str(self.inventory), "--state", str(self.state))

    def folder(self, name: str) -> Path:
        """Return the folder of a node that is /etc/piswarm on a real one."""
        return self._directory / name

    def start(self, names: Iterable[str]) -> None:
        """Start the agents of these nodes."""
        for name in names:
            with (self._directory / f"{name}.log").open("ab") as log:
                self._agents[name] = subprocess.Popen(
                    self.command(name),
                    cwd=ROOT,
                    env={**os.environ, "PYTHONPATH": self._python_path, "STATE_DIRECTORY": str(self.folder(name))},
                    stdout=log,
                    stderr=log,
                )

    def command(self, name: str) -> list[str]:
        """Return the command that a node's agent is started by."""
        return [sys.executable, "-P", "-m", "worker.agent.service", str(self.folder(name))]

    def family(self, name: str) -> list[psutil.Process]:
        """Return the agent of a node, and its workers."""
        agent = psutil.Process(self._agents[name].pid)
        return [agent, *agent.children()]

    def kill(self, name: str) -> None:
        """Kill all processes of a node at once, as when its power is cut."""
        for process in self.family(name):
            process.kill()
        self._agents.pop(name).wait()

    def wait_until_idle(self) -> None:
        """Wait until no node has a worker any more."""
        deadline_s = time.monotonic() + LIMIT_S
        while any(len(self.family(name)) > 1 for name in self._agents):
            assert time.monotonic() < deadline_s, "workers live on after their run"
            time.sleep(0.05)

    def log(self, name: str) -> str:
        """Return what an agent has printed."""
        return (self._directory / f"{name}.log").read_text()

    def __enter__(self) -> Self:
        self.start(self.names)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for agent in self._agents.values():
            agent.terminate()
        for agent in self._agents.values():
            try:
                agent.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                agent.kill()
                agent.wait()


def plan(
    piswarm: Piswarm, hold: str = "5s", users: int = 6, shares: dict[str, Any] | None = None, **changes: Any
) -> Path:
    load = [{"users": users, "spawn_rate": 20, "hold": hold}]
    # All nodes are this machine, which has other work.
    busy = {"node_cpu": "100 %", "node_memory": "100 %", "worker_cpu": "100 %", "missing_samples": "100 %"}
    lag = {
        "loop_lag_p99": "20 s",
        "controller_cpu": "100 %",
        "excluded_share": "100 %",
        "clock_error": "10 s",
        "latency_error": "10000 %",
    }
    nodes = {"expect": 10, "min": 1}
    if shares is not None:
        changes["users"] = shares
    return piswarm.scenario(**({"load": load, "nodes": nodes, "validity": {**busy, **lag}} | changes))
