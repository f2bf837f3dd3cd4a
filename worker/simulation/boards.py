"""What a simulated node can stand for: models of Pi, and how each is cooled. Figures, no behaviour.

Powers are of the whole board, at rest and with every core busy with a numeric benchmark. A thermal resistance is in °C for
each of these watts, from the air to the SoC at steady state. Those of a bare board, of a Pi 4's heat sink and fan, and of a
Pi 5's active cooler are from published measurements; the other coolings are estimates between them. See `worker/simulation/thermal_model.py`
for what they lead to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FAN_STEPS_C = (50.0, 60.0, 67.5, 75.0)
"""From where a Pi 5's firmware sets its fan a step higher (Raspberry Pi documentation, "Fans")."""
FAN_SHARES = (0.0, 0.3, 0.5, 0.7, 1.0)
"""How fast it turns then, of its full speed; the first is off."""
FAN_HYSTERESIS_C = 5.0
FAN_FULL_RPM = 8000
"""Of the active cooler, by its data sheet."""


@dataclass(frozen=True)
class Cooling:
    """How a board gets rid of its heat: one thermal resistance, or one for each step of a regulated fan."""

    resistances_c_per_w: tuple[float, ...]

    @property
    def regulated(self) -> bool:
        """Whether the firmware sets a fan's speed."""
        return len(self.resistances_c_per_w) > 1


@dataclass(frozen=True)
class HeatStage:
    """One of two stages that heat goes through: its share of the resistance, and the time in which it follows to 63 %."""

    share: float
    time_constant_s: float


BOARD_STAGES = (HeatStage(0.6, 120.0), HeatStage(0.4, 1000.0))
SMALL_STAGES = (HeatStage(0.85, 90.0), HeatStage(0.15, 1000.0))
"""Of a Zero: there is little board around the chip."""


@dataclass(frozen=True)
class BoardModel:
    """One model of Pi.

    `steps` are temperatures from which its clock is at most so high; what is `progressive` goes down from 80 to 85 °C
    little by little as well. `cpu_s_per_x86_cpu_s` is how much longer its core takes than a server's x86 core for the same
    Python (estimated from public benchmarks, ±30 %).
    """

    model: str
    cores: int
    memory_bytes: int
    max_hz: float
    floor_hz: float
    idle_w: float
    load_w: float
    cpu_s_per_x86_cpu_s: float
    coolings: Mapping[str, Cooling]
    steps: tuple[tuple[float, float], ...] = ()
    progressive: bool = True
    stages: tuple[HeatStage, HeatStage] = BOARD_STAGES
    tells_under_voltage: bool = True
    """The Zero range does not."""
    soft_limit_c: float | None = None
    """The lowest of `steps`, if the firmware calls that one a soft limit."""

    @property
    def cpu_s_per_pi4_cpu_s(self) -> float:
        """How much longer its core takes than a Pi 4's, both at full clock."""
        return self.cpu_s_per_x86_cpu_s / BOARDS["pi4"].cpu_s_per_x86_cpu_s

    @property
    def capacity(self) -> float:
        """How much load it can carry when it is cool, in cores of a Pi 4 at full clock."""
        return self.cores / self.cpu_s_per_pi4_cpu_s


def _coolings(**resistances_c_per_w: float | tuple[float, ...]) -> dict[str, Cooling]:
    return {
        name: Cooling(resistance if isinstance(resistance, tuple) else (resistance,))
        for name, resistance in resistances_c_per_w.items()
    }


BOARDS: Mapping[str, BoardModel] = {
    "zero2w": BoardModel(
        model="Raspberry Pi Zero 2 W",
        cores=4,
        memory_bytes=512 << 20,
        max_hz=1.0e9,
        floor_hz=0.6e9,
        idle_w=0.6,
        load_w=2.1,
        cpu_s_per_x86_cpu_s=9.0,
        coolings=_coolings(bare=21.0, heatsink=16.0, cooled=11.0, case=28.0),
        stages=SMALL_STAGES,
        tells_under_voltage=False,
    ),
    "pi3b+": BoardModel(
        model="Raspberry Pi 3 Model B Plus",
        cores=4,
        memory_bytes=1 << 30,
        max_hz=1.4e9,
        floor_hz=0.6e9,
        idle_w=1.75,
        load_w=4.75,
        cpu_s_per_x86_cpu_s=6.5,
        coolings=_coolings(bare=12.0, heatsink=9.5, cooled=7.0),
        steps=((60.0, 1.2e9),),
        soft_limit_c=60.0,
    ),
    "pi4": BoardModel(
        model="Raspberry Pi 4 Model B",
        cores=4,
        memory_bytes=4 << 30,
        max_hz=1.8e9,
        floor_hz=0.6e9,
        idle_w=2.7,
        load_w=6.4,
        cpu_s_per_x86_cpu_s=4.0,
        coolings=_coolings(bare=13.0, heatsink=7.5, cooled=6.0),
        # Which clocks there are is known, and the range; where in it each begins is an estimate.
        steps=((80.0, 1.5e9), (83.0, 1.0e9), (84.0, 0.75e9), (85.0, 0.6e9)),
        progressive=False,
    ),
    "pi5": BoardModel(
        model="Raspberry Pi 5 Model B",
        cores=4,
        memory_bytes=8 << 30,
        max_hz=2.4e9,
        floor_hz=1.5e9,
        idle_w=3.0,
        load_w=11.0,
        cpu_s_per_x86_cpu_s=2.0,
        coolings=_coolings(bare=10.0, heatsink=6.5, cooled=(8.0, 6.2, 5.4, 5.0, 4.6)),
    ),
}

KINDS: Mapping[str, tuple[str, str]] = {
    "zero2w": ("zero2w", "bare"),
    **{f"{board}-{cooling}": (board, cooling) for board, data in BOARDS.items() for cooling in data.coolings},
}
"""Every board with every cooling it can have, by the name that a scenario calls it; `zero2w` alone is a bare one."""


def board_of(model: str) -> BoardModel | None:
    """The board that calls itself `model`, None for what is none of BOARDS. Its firmware adds a revision to the name."""
    return next((board for board in BOARDS.values() if model.startswith(board.model)), None)
