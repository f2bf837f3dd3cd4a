"""What the processes of a node are told when they are started, each by one line of JSON on its standard input."""

from __future__ import annotations

import msgspec

from worker.wire.curve import Endpoint, Keys
from worker.wire.messages import Work


class SimulatedBoard(msgspec.Struct, frozen=True):
    """What a simulated node stands for: a model of Pi, how it is cooled, and the air around it (see worker/simulation/boards.py)."""

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
    """One worker: its node's name and keys, its place among all workers of the fleet, and its number among those of its node.

    A simulated node of a rack stands for a `board`, which a worker whose agent is elsewhere needs not know.
    """

    name: str
    number: int
    keys: Keys
    index: int = 0
    board: SimulatedBoard | None = None


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
    """All that the agent of a node needs to know; what its workers do it hears from the controller.

    One that carries no load only tells how its machine is. Where a `board` is given, it is a simulated node.
    """

    node: str
    endpoint: Endpoint
    keys: Keys
    board: SimulatedBoard | None = None
    carries_load: bool = True
    outlive_s: float = 0.0
