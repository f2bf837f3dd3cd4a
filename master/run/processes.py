"""What a run starts on the controller's own machine: the embedded target, the controller's agent, simulated nodes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import gevent
import msgspec

from master.errors import AbortError
from master.run.child import Child
from master.store import CONTROLLER
from worker.curve import Endpoint, Keys
from worker.node import NodeOrders
from worker.rack import RackNode, RackOrders
from worker.wire import UserShare

MAX_RACKS = 8
FLEET = (("pi4", "heat sink"), ("pi5", "fan"))
"""What the simulated nodes are: boards and their cooling, in turn."""
AMBIENT_C = 24.0
TARGET_READY_S = 30.0


def node_names(count: int) -> list[str]:
    """Names of simulated nodes: sim001, sim002, …."""
    width = max(3, len(str(count)))
    return [f"sim{number:0{width}}" for number in range(1, count + 1)]


class _Ready(msgspec.Struct):
    """What the target says once it serves."""

    ready: bool
    url: str


class Processes:
    """The processes of one run; each logs to a file of its own in `logs`."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._generators: list[Child] = []
        self._target: Child | None = None

    def start_target(self) -> str:
        """Start the embedded target on a free port; its URL, once it serves. Raises AbortError when it does not."""
        log = self._logs / "target.log"
        self._target = Child("target", "master.target", "--until-stdin-closes", log=log, answers=True)
        line = ""
        with gevent.Timeout(TARGET_READY_S, exception=False):
            line = self._target.read_line()
        try:
            return msgspec.json.decode(line, type=_Ready).url
        except msgspec.MsgspecError:
            self._target.stop(0)
            raise AbortError(
                f"the embedded target did not start: {self._target.last_words()}", hint=f"Its log is {log}."
            ) from None

    def start_agent(self, keys: Keys, endpoint: Endpoint) -> None:
        """Start the agent that samples this machine."""
        orders = NodeOrders(CONTROLLER, endpoint, keys)
        self._generators.append(Child("agent", "worker.node", log=self._logs / "agent.log", orders=orders))

    def start_racks(
        self,
        keys: Mapping[str, Keys],
        endpoint: Endpoint,
        *,
        users: Mapping[str, UserShare],
        host: str,
        seed: int,
        stop_timeout_s: float,
        locustfile: Path | None,
    ) -> None:
        """Start simulated nodes, one for each name in `keys`, in a process for each core."""
        nodes = [
            RackNode(name, number, node_keys, *FLEET[number % len(FLEET)])
            for number, (name, node_keys) in enumerate(keys.items())
        ]
        racks = min(len(nodes), os.cpu_count() or 1, MAX_RACKS)
        for rack in range(racks):
            orders = RackOrders(
                endpoint=endpoint,
                nodes=nodes[rack::racks],
                users=users,
                host=host,
                seed=seed,
                ambient_c=AMBIENT_C,
                stop_timeout_s=stop_timeout_s,
                locustfile=None if locustfile is None else str(locustfile),
            )
            log = self._logs / f"rack-{rack + 1}.log"
            self._generators.append(Child(f"rack {rack + 1}", "worker.rack", log=log, orders=orders))

    def target_end(self) -> str | None:
        """How the target ended by itself; None while it lives, or where there is none."""
        return self._target.last_words() if self._target is not None and self._target.ended() else None

    def generator_ends(self) -> list[str]:
        """Which of the others have ended by themselves since the last call, and how."""
        ended = [child for child in self._generators if child.ended()]
        self._generators = [child for child in self._generators if child not in ended]
        return [f"{child.name}: {child.last_words()}" for child in ended]

    def stop(self, grace_s: float) -> None:
        """Let all but the target end by themselves for `grace_s`; then end what is left, and the target."""
        deadline_s = time.monotonic() + grace_s
        for child in self._generators:
            child.stop(timeout_s=max(0.0, deadline_s - time.monotonic()))
        if self._target is not None:
            self._target.stop(timeout_s=0)

    def kill(self) -> None:
        """End all of them at once."""
        for child in [*self._generators, *([self._target] if self._target else [])]:
            child.kill()
