"""A thermal model of a Raspberry Pi: what a simulated node has in place of sensors. Pure; time is a parameter.

Heat flows to the air through two stages in series, a fast one (chip and board) and a slow one (case and mass around them):

    T = T_ambient + x1 + x2        dx_i/dt = (R_i * P - x_i) / tau_i
    P = P_idle + P_span * utilisation * (f / f_max) ** 2.2

R1 + R2 is the thermal resistance in °C/W measured from the ambient to the SoC at steady state. From 80 °C the firmware
lowers the Arm clock, down to its floor at 85 °C (Raspberry Pi documentation, "Frequency management and thermal control").
Power, resistance and time constants are from published measurements of boards under load; the span of the power is taken
at 0.7 of what a numeric benchmark draws, since Python draws less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

THROTTLE_FROM_C = 80.0
THROTTLE_FULL_C = 85.0

_FAST_SHARE, _FAST_S = 0.6, 120.0
_SLOW_SHARE, _SLOW_S = 0.4, 1000.0
_PYTHON_SHARE_OF_SPAN = 0.7


@dataclass(frozen=True)
class Board:
    """One model of Pi.

    `resistance_c_per_w` is by kind of cooling; `cpu_s_per_x86_cpu_s` is how much longer its core takes than a server's
    x86 core for the same Python (estimated from public benchmarks, ±30 %).
    """

    model: str
    cores: int
    memory_bytes: int
    max_hz: float
    floor_hz: float
    idle_w: float
    load_w: float
    resistance_c_per_w: dict[str, float]
    cpu_s_per_x86_cpu_s: float


BOARDS = {
    "zero2w": Board("Raspberry Pi Zero 2 W", 4, 512 << 20, 1.0e9, 0.6e9, 0.6, 2.1, {"bare": 19.5, "case": 26.0}, 9.0),
    "pi3b+": Board("Raspberry Pi 3 Model B Plus", 4, 1 << 30, 1.4e9, 0.6e9, 1.75, 4.75, {"bare": 12.0}, 6.5),
    "pi4": Board(
        "Raspberry Pi 4 Model B", 4, 4 << 30, 1.8e9, 0.6e9, 2.7, 6.4, {"bare": 13.0, "heat sink": 7.5, "fan": 6.0}, 4.0
    ),
    "pi5": Board("Raspberry Pi 5 Model B", 4, 8 << 30, 2.4e9, 1.5e9, 3.0, 11.0, {"bare": 10.0, "fan": 5.5}, 2.0),
}


class ThermalModel:
    """The temperature and clock of one board over time."""

    def __init__(self, board: Board, cooling: str, ambient_c: float) -> None:
        """Start in balance with the air at idle. Raises KeyError for a cooling that the board's table does not have."""
        self.board = board
        self.ambient_c = ambient_c
        self.frequency_hz = board.max_hz
        resistance = board.resistance_c_per_w[cooling]
        self._stages = [
            _Stage(resistance * _FAST_SHARE, _FAST_S, board.idle_w),
            _Stage(resistance * _SLOW_SHARE, _SLOW_S, board.idle_w),
        ]

    @property
    def temperature_c(self) -> float:
        """The SoC's temperature now."""
        return self.ambient_c + sum(stage.rise_c for stage in self._stages)

    @property
    def throttled(self) -> bool:
        """Whether the clock is below its maximum because of heat."""
        return self.frequency_hz < self.board.max_hz

    def step(self, seconds: float, utilisation: float) -> None:
        """Let `seconds` pass with this share (0 to 1) of all cores busy."""
        span_w = (self.board.load_w - self.board.idle_w) * _PYTHON_SHARE_OF_SPAN
        power_w = self.board.idle_w + span_w * min(1.0, utilisation) * (self.frequency_hz / self.board.max_hz) ** 2.2
        for stage in self._stages:
            stage.step(seconds, power_w)
        excess = (self.temperature_c - THROTTLE_FROM_C) / (THROTTLE_FULL_C - THROTTLE_FROM_C)
        depth = min(1.0, max(0.0, excess))
        self.frequency_hz = self.board.max_hz - depth * (self.board.max_hz - self.board.floor_hz)


class _Stage:
    """One RC stage: its rise over what it stands on, stepped exactly for constant power."""

    def __init__(self, resistance_c_per_w: float, time_constant_s: float, power_w: float) -> None:
        self._resistance_c_per_w = resistance_c_per_w
        self._time_constant_s = time_constant_s
        self.rise_c = resistance_c_per_w * power_w

    def step(self, seconds: float, power_w: float) -> None:
        goal_c = self._resistance_c_per_w * power_w
        self.rise_c += (goal_c - self.rise_c) * -math.expm1(-seconds / self._time_constant_s)
