"""A simulated Pi's sensors: real work of this machine, turned into the heat and load that it would mean on a Pi."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from worker import __version__
from worker.simulation.boards import BOARDS, BoardModel
from worker.simulation.orders import SimulatedBoard as StandsFor
from worker.simulation.power_supply import PowerSupply
from worker.simulation.thermal_model import ThermalModel
from worker.telemetry.conditions import Accumulator
from worker.telemetry.facts import read_software
from worker.wire.messages import Facts, Reading

_OS_MEMORY_BYTES = 180 << 20
"""What Raspberry Pi OS Lite uses before any worker runs."""


class Load(Protocol):
    """What keeps a simulated node's cores busy."""

    speed: float
    """The clock as a share of its maximum, which the sensors set; a slower core takes longer for the same work."""

    def utilisation(self, now_s: float) -> float:
        """The share (0 to 1) of the node's cores that has been busy lately, up to `now_s`."""


class MeasuredLoad:
    """CPU that this machine has used for a node, scaled to the cores of its board."""

    def __init__(self, board: BoardModel, cpu_s: Callable[[], float], now_s: float) -> None:
        """`cpu_s` tells the CPU seconds used so far."""
        self.speed = 1.0
        self._board = board
        self._cpu_s = cpu_s
        self._used_s = cpu_s()
        self._looked_s = now_s

    def utilisation(self, now_s: float) -> float:
        """As Load says: since the call before."""
        used_s, passed_s = self._cpu_s(), max(1e-3, now_s - self._looked_s)
        busy_s = (used_s - self._used_s) * self._board.cpu_s_per_x86_cpu_s / self.speed
        self._used_s, self._looked_s = used_s, now_s
        return min(1.0, max(0.0, busy_s / passed_s / self._board.cores))


class SimulatedSensors:
    """The sensors of one simulated node: its load warms it up, and its heat and its supply slow it down."""

    def __init__(self, stands_for: StandsFor, *, load: Load, memory_bytes: Callable[[], int]) -> None:
        """`memory_bytes` tells the node's share of this process's memory."""
        board = BOARDS[stands_for.board]
        supply = None if stands_for.supply_w is None else PowerSupply(stands_for.supply_w)
        self._model = ThermalModel(
            board, stands_for.cooling, stands_for.ambient_c, speed=stands_for.thermal_speed, supply=supply
        )
        self._load = load
        self._load.speed = self._model.speed
        self._memory_bytes = memory_bytes
        self._read_at_s = time.monotonic()
        self._conditions = Accumulator()

    def facts(self) -> Facts:
        """The board's, with the software of this machine."""
        board = self._model.board
        return Facts(
            simulated=True,
            model=board.model,
            cpu_count=board.cores,
            memory_bytes=board.memory_bytes,
            piswarm=__version__,
            capacity=board.capacity,
            **read_software(),
        )

    def read(self) -> Reading:
        """Let the model live through the time since the reading before, and read it."""
        now_s = time.monotonic()
        model, board = self._model, self._model.board
        utilisation = self._load.utilisation(now_s)
        model.step(max(1e-3, now_s - self._read_at_s), utilisation)
        self._read_at_s = now_s
        self._load.speed = model.speed
        memory_used_bytes = _OS_MEMORY_BYTES + self._memory_bytes()
        lately, since_start = self._conditions.add(model.conditions, None)
        return Reading(
            cpu_percent=100 * utilisation,
            memory_percent=100 * memory_used_bytes / board.memory_bytes,
            memory_used_bytes=memory_used_bytes,
            load_1min=utilisation * board.cores,
            temperature_c=model.temperature_c,
            frequency_hz=model.frequency_hz,
            fan_rpm=model.fan_rpm,
            fan_step=model.fan_step,
            conditions=model.conditions,
            conditions_lately=lately,
            conditions_since_start=since_start,
        )
