"""A thermal model of a Raspberry Pi, in place of a simulated node's sensors. Pure; time is a parameter.

Heat flows to the air through two stages in series, a fast one (chip and board) and a slow one (case and mass around them):

    T = T_ambient + x1 + x2        dx_i/dt = (R_i * P - x_i) / tau_i
    P = P_idle + P_span * activity * utilisation * (f / f_max) ** 2.2

`activity` is 1 for the numeric benchmarks with which boards are measured, and 0.7 for Python, which draws less (0.6 to 0.8).
R1 + R2 is the board's thermal resistance (`worker/simulation/boards.py`); where a fan is regulated it follows the fan's step.

What the firmware does (Raspberry Pi documentation, "Frequency management and thermal control"): from 80 °C it lowers the Arm
clock, down to its floor at 85 °C. A Pi 4 has but four lower clocks, and each is left 1 °C below where it began. A 3B+ has a soft
limit below that: from 60 °C it runs at 1.2 GHz. A supply that sags brings the clock to its floor at once.

How near the model comes to what was measured (tests/unit/simulation/test_thermal_model.py; full load of a benchmark, air as said):

    Zero 2 W, 29 °C      bare 42 idle, 73 full (measured 42, 74); cased 46, 81 (46, 81), 47 → 80 °C in 3.5 min (3.5)
    Pi 4, 26 °C          bare 61 idle, 82 to 83 full (61, 85), throttled after 2 min (1 to 3)
    Pi 4, 22 °C          with heat sink 70 full (70)
    Pi 5, 25 °C          bare: mean of the first 10 min 82, highest 85 (81, 89)
    Pi 5, 22 °C          active cooler 46 idle, 73 full (56, 72)

Three of these measurements can't all be right by one model. A cased Zero that takes 3.5 min to 80 °C is faster than stages of
2 min and 15 to 20 min allow: a Zero's own are 90 s, and most of its resistance. A Pi 5 reaches 89 °C only if its firmware
overshoots for some seconds, which is left out. An active cooler that keeps 11 W at 72 °C keeps 3 W well below the 50 °C at which it begins to
turn, so the 56 °C measured beside it are no idle of the same board in the same air; here it rests with the fan off.
"""

from __future__ import annotations

import math

from worker.simulation.boards import FAN_FULL_RPM, FAN_HYSTERESIS_C, FAN_SHARES, FAN_STEPS_C, BoardModel
from worker.simulation.power_supply import PowerSupply
from worker.telemetry.conditions import ALL, FREQUENCY_CAPPED, SOFT_LIMITED, THROTTLED, UNDER_VOLTAGE, pack_flags
from worker.telemetry.pi.models import THROTTLE_FROM_C, THROTTLE_FULL_C

STEP_HYSTERESIS_C = 1.0
"""A clock step is undone so far below the temperature at which it was made (estimated)."""

BENCHMARK = 1.0
PYTHON = 0.7
"""Activity: the power of a busy core, as a share of that under a numeric benchmark."""

_PIECE_S = 1.0
"""Firmware and fan look at the temperature at least this often, in the board's own time."""
_MAX_PIECES = 600


class ThermalModel:
    """The temperature and clock of one board over time."""

    def __init__(
        self,
        board: BoardModel,
        cooling: str,
        ambient_c: float,
        *,
        speed: float = 1.0,
        supply: PowerSupply | None = None,
    ) -> None:
        """Start in balance with the air at idle. Raises KeyError for a cooling that the board does not have.

        It heats and cools `speed` times as fast as a real one, and has a good supply where none is given.
        """
        self.board = board
        self.ambient_c = ambient_c
        self._cooling = board.coolings[cooling]
        self._supply = supply
        self._piece_s = _PIECE_S / speed
        self._stages = [_Stage(stage.share, stage.time_constant_s / speed) for stage in board.stages]
        self._fan = 0
        self._clock_step = 0
        self.frequency_hz = board.max_hz
        self.power_w = board.idle_w
        """What the whole board draws."""
        for _ in range(len(FAN_STEPS_C) + 1):
            for stage in self._stages:
                stage.settle(self._resistance_c_per_w * board.idle_w)
            self._set_fan()
        self._set_clock()

    @property
    def temperature_c(self) -> float:
        """The SoC's temperature now."""
        return self.ambient_c + self._stages[0].rise_c + self._stages[1].rise_c

    @property
    def throttled(self) -> bool:
        """Whether the clock is below its maximum, be it for heat or for the supply."""
        return self.frequency_hz < self.board.max_hz

    @property
    def speed(self) -> float:
        """The clock as a share of its maximum."""
        return self.frequency_hz / self.board.max_hz

    @property
    def fan_step(self) -> int | None:
        """The step of the regulated fan; 0 is off, None is no such fan."""
        return self._fan if self._cooling.regulated else None

    @property
    def fan_rpm(self) -> int | None:
        """Its turns per minute."""
        return round(FAN_FULL_RPM * FAN_SHARES[self._fan]) if self._cooling.regulated else None

    @property
    def conditions(self) -> int:
        """Condition flags, as the firmware would report them (see `worker/telemetry/conditions.py`)."""
        board = self.board
        sagging = self._supply is not None and self._supply.sagging
        soft = board.soft_limit_c is not None and self._clock_step > 0
        lowest_soft_hz = board.steps[0][1] if soft else board.max_hz
        active = SOFT_LIMITED if soft else 0
        if sagging:
            active |= UNDER_VOLTAGE | FREQUENCY_CAPPED | THROTTLED
        elif self.frequency_hz < lowest_soft_hz:
            active |= THROTTLED
        return pack_flags(active, ALL if board.reports_under_voltage else ALL & ~UNDER_VOLTAGE)

    def step(self, seconds: float, utilisation: float, activity: float = PYTHON) -> None:
        """Let `seconds` pass with this share (0 to 1) of all cores busy."""
        busy = activity * min(1.0, utilisation)
        pieces = min(_MAX_PIECES, max(1, math.ceil(seconds / self._piece_s - 1e-9)))
        for _ in range(pieces):
            self._step(seconds / pieces, busy)

    def _step(self, seconds: float, busy: float) -> None:
        board = self.board
        self.power_w = board.idle_w + (board.load_w - board.idle_w) * busy * (self.frequency_hz / board.max_hz) ** 2.2
        goal_c = self._resistance_c_per_w * self.power_w
        for stage in self._stages:
            stage.step(seconds, goal_c)
        if self._supply is not None:
            self._supply.draw(seconds, self.power_w)
        self._set_fan()
        self._set_clock()

    @property
    def _resistance_c_per_w(self) -> float:
        return self._cooling.resistances_c_per_w[self._fan]

    def _set_fan(self) -> None:
        if self._cooling.regulated:
            self._fan = _follow(self._fan, FAN_STEPS_C, self.temperature_c, FAN_HYSTERESIS_C)

    def _set_clock(self) -> None:
        board = self.board
        hz = board.max_hz
        if board.steps:
            begins_c = tuple(from_c for from_c, _ in board.steps)
            self._clock_step = _follow(self._clock_step, begins_c, self.temperature_c, STEP_HYSTERESIS_C)
            if self._clock_step:
                hz = board.steps[self._clock_step - 1][1]
        if board.progressive:
            depth = (self.temperature_c - THROTTLE_FROM_C) / (THROTTLE_FULL_C - THROTTLE_FROM_C)
            hz -= min(1.0, max(0.0, depth)) * (hz - board.floor_hz)
        if self._supply is not None and self._supply.sagging:
            hz = board.floor_hz
        self.frequency_hz = hz


def _follow(step: int, begins_c: tuple[float, ...], temperature_c: float, hysteresis_c: float) -> int:
    """The step that a temperature leads to from `step`: up where the next begins, down well below where its own began."""
    while step < len(begins_c) and temperature_c >= begins_c[step]:
        step += 1
    while step > 0 and temperature_c < begins_c[step - 1] - hysteresis_c:
        step -= 1
    return step


class _Stage:
    """One RC stage: its rise over what it stands on, stepped exactly for constant power."""

    def __init__(self, share: float, time_constant_s: float) -> None:
        self._share = share
        self._time_constant_s = time_constant_s
        self.rise_c = 0.0

    def settle(self, goal_c: float) -> None:
        self.rise_c = self._share * goal_c

    def step(self, seconds: float, goal_c: float) -> None:
        self.rise_c += (self._share * goal_c - self.rise_c) * -math.expm1(-seconds / self._time_constant_s)
