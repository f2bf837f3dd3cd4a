"""A simulated Pi's sensors: the work of this machine, converted to the heat and load of a Pi."""

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
"""Memory that Raspberry Pi OS Lite uses without workers."""


class Load(Protocol):
    """The load of a simulated node's cores."""

    speed: float
    """The clock as a share of its maximum; set by the sensors. A slower core takes longer for the same work."""

    def utilisation(self, now_s: float) -> float:
        """The recent share of the node's cores that was busy, 0 to 1, up to `now_s`."""


class MeasuredLoad:
    """CPU that this machine has used for a node, scaled to the cores of its board."""

    def __init__(self, board: BoardModel, cpu_s: Callable[[], float], now_s: float) -> None:
        """`cpu_s` returns the CPU seconds used so far."""
        self.speed = 1.0
        self._board = board
        self._cpu_s = cpu_s
        self._used_s = cpu_s()
        self._measured_s = now_s

    def utilisation(self, now_s: float) -> float:
        """As in Load, since the call before."""
        used_s, passed_s = self._cpu_s(), max(1e-3, now_s - self._measured_s)
        busy_s = (used_s - self._used_s) * self._board.cpu_s_per_x86_cpu_s / self.speed
        self._used_s, self._measured_s = used_s, now_s
        return min(1.0, max(0.0, busy_s / passed_s / self._board.cores))


class SimulatedSensors:
    """The sensors of one simulated node: its load heats it, and its heat and its supply slow it down."""

    def __init__(self, stands_for: StandsFor, *, load: Load, memory_bytes: Callable[[], int]) -> None:
        """`memory_bytes` returns the memory in bytes that the node uses."""
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
        self._latest: Reading | None = None

    def facts(self) -> Facts:
        """Facts of the board, with the software of this machine."""
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
        """Advance the model by the time since the reading before, and read it."""
        now_s = time.monotonic()
        model, board = self._model, self._model.board
        utilisation = self._load.utilisation(now_s)
        model.step(max(1e-3, now_s - self._read_at_s), utilisation)
        self._read_at_s = now_s
        self._load.speed = model.speed
        memory_used_bytes = _OS_MEMORY_BYTES + self._memory_bytes()
        lately, since_start = self._conditions.add(model.conditions, None)
        self._latest = Reading(
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
        return self._latest

    def latest(self) -> Reading | None:
        """What `read` has said last; None before the first time. From any thread."""
        return self._latest
