"""Orders of the processes that simulate nodes: which board each node stands for."""

from __future__ import annotations

import msgspec

from worker.wire.curve import Endpoint
from worker.wire.orders import NodeOrders, WorkerSpec
from worker.wire.work import Work


class SimulatedBoard(msgspec.Struct, frozen=True):
    """The board that a simulated node stands for: a model of Pi, its cooling, the air around it (see worker/simulation/boards.py)."""

    board: str
    cooling: str
    ambient_c: float
    supply_w: float | None = None
    """Power that can be drawn before its supply sags; None is without limit."""
    thermal_speed: float = 1.0
    """How many times faster than a real one it warms up and cools down."""
    request_cpu_s: float | None = None
    """CPU seconds of a request on a Pi 4's core at full clock; None is what it costs here, scaled to the board."""


class RackNode(msgspec.Struct, frozen=True):
    """One simulated node of a rack, with its one worker."""

    worker: WorkerSpec
    board: SimulatedBoard


class RackOrders(msgspec.Struct, frozen=True):
    """Orders of a rack: the process of many simulated nodes, each with an agent and a worker.

    It ends `outlive_s` after its standard input has closed, unless a message of a controller comes meanwhile.
    """

    endpoint: Endpoint
    nodes: list[RackNode]
    work: Work
    outlive_s: float = 0.0


class SimulatedNodeOrders(NodeOrders, frozen=True, kw_only=True):
    """Orders of the agent of a simulated node that has processes of its own."""

    board: SimulatedBoard
