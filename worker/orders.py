"""What the processes of a node are told when they are started, each by one line of JSON on its standard input."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from worker.curve import Endpoint, Keys
from worker.wire import UserShare


class Work(msgspec.Struct, frozen=True):
    """What the workers of a run do: how much of which users, against which host."""

    users: Mapping[str, UserShare]
    host: str
    seed: int
    stop_timeout_s: float
    locustfile: str | None = None


class Board(msgspec.Struct, frozen=True):
    """What a simulated node stands for: a model of Pi, how it is cooled, and the air around it (see worker/boards.py)."""

    board: str
    cooling: str
    ambient_c: float
    supply_w: float | None = None
    """What can be drawn before its supply sags; None is as much as it likes."""
    thermal_speed: float = 1.0
    """How many times faster than a real one it warms up and cools down."""
    request_cpu_s: float | None = None
    """CPU that a request costs on a Pi 4's core at full clock; None is what it costs here, scaled to the board."""


class RackNode(msgspec.Struct, frozen=True):
    """One simulated node: its place in the fleet, its keys, and the board that it stands for."""

    name: str
    number: int
    keys: Keys
    board: Board


class RackOrders(msgspec.Struct, frozen=True):
    """All that a process with one worker for each of its nodes needs to know.

    With `agents` it is a rack of simulated nodes and answers for them as well; without, each node has an agent elsewhere
    that does. It ends `outlive_s` after its standard input has closed, unless a controller is heard meanwhile.
    """

    endpoint: Endpoint
    nodes: list[RackNode]
    work: Work
    agents: bool
    outlive_s: float = 0.0


class NodeOrders(msgspec.Struct, frozen=True):
    """All that the agent of a node needs to know.

    `worker` are the orders of the worker process that it keeps alive; without, it only tells how its machine is. Where a
    `board` is given, it is a simulated node.
    """

    node: str
    endpoint: Endpoint
    keys: Keys
    worker: RackOrders | None = None
    board: Board | None = None
    outlive_s: float = 0.0
