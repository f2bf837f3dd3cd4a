"""Boards that a simulated node can stand for: models of Pi (worker/telemetry/pi/models.py), and how each is cooled. Figures, no behaviour.

Powers are of the whole board, at rest and with every core busy with a numeric benchmark. A thermal resistance is in °C for
each of these watts, from the air to the SoC at steady state. Those of a bare board, of a Pi 4's heat sink and fan, and of a
Pi 5's active cooler are from published measurements; the other coolings are estimates between them. See `worker/simulation/thermal_model.py`
for what they lead to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from worker.telemetry.pi.models import PI_MODELS, PiModel

FAN_STEPS_C = (50.0, 60.0, 67.5, 75.0)
"""Temperatures from which a Pi 5's firmware sets its fan a step higher (Raspberry Pi documentation, "Fans")."""
FAN_SHARES = (0.0, 0.3, 0.5, 0.7, 1.0)
"""Its speed in each step, as a share of the full one; the first is off."""
FAN_HYSTERESIS_C = 5.0
FAN_FULL_RPM = 8000
"""Full speed of the active cooler, by its data sheet."""


@dataclass(frozen=True)
class Cooling:
    """The cooling of a board: one thermal resistance, or one for each step of a regulated fan."""

    resistances_c_per_w: tuple[float, ...]

    @property
    def regulated(self) -> bool:
        """Whether the firmware sets a fan's speed."""
        return len(self.resistances_c_per_w) > 1


@dataclass(frozen=True)
class HeatStage:
    """One of two stages that heat flows through: its share of the resistance, and its time constant (63 %)."""

    share: float
    time_constant_s: float


BOARD_STAGES = (HeatStage(0.6, 120.0), HeatStage(0.4, 1000.0))
SMALL_STAGES = (HeatStage(0.85, 90.0), HeatStage(0.15, 1000.0))
"""Stages of a Zero, which has little board around the chip."""


class BoardModel(PiModel, frozen=True, kw_only=True):
    """A model of Pi with the power that it draws, the coolings it can have, and the stages that its heat goes through."""

    idle_w: float
    load_w: float
    coolings: Mapping[str, Cooling]
    stages: tuple[HeatStage, HeatStage] = BOARD_STAGES


def _board(
    name: str,
    *,
    idle_w: float,
    load_w: float,
    stages: tuple[HeatStage, HeatStage] = BOARD_STAGES,
    **resistances_c_per_w: float | tuple[float, ...],
) -> BoardModel:
    """The model `name` of PI_MODELS, with a thermal resistance for each of its coolings."""
    coolings = {
        cooling: Cooling(resistance if isinstance(resistance, tuple) else (resistance,))
        for cooling, resistance in resistances_c_per_w.items()
    }
    published = msgspec.structs.asdict(PI_MODELS[name])
    return BoardModel(**published, idle_w=idle_w, load_w=load_w, coolings=coolings, stages=stages)


BOARDS: Mapping[str, BoardModel] = {
    "zero2w": _board(
        "zero2w", idle_w=0.6, load_w=2.1, bare=21.0, heatsink=16.0, cooled=11.0, case=28.0, stages=SMALL_STAGES
    ),
    "pi3b+": _board("pi3b+", idle_w=1.75, load_w=4.75, bare=12.0, heatsink=9.5, cooled=7.0),
    "pi4": _board("pi4", idle_w=2.7, load_w=6.4, bare=13.0, heatsink=7.5, cooled=6.0),
    "pi5": _board("pi5", idle_w=3.0, load_w=11.0, bare=10.0, heatsink=6.5, cooled=(8.0, 6.2, 5.4, 5.0, 4.6)),
}

KINDS: Mapping[str, tuple[str, str]] = {
    "zero2w": ("zero2w", "bare"),
    **{f"{board}-{cooling}": (board, cooling) for board, data in BOARDS.items() for cooling in data.coolings},
}
"""Every board with each of its coolings, by its name in a scenario. `zero2w` is a bare one."""
