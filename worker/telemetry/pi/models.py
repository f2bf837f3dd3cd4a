"""Published figures of the models of Raspberry Pi: cores, memory, clocks, temperatures at which the firmware acts, speed.

Clocks and temperatures are from the Raspberry Pi documentation ("Frequency management and thermal control", and each model's
page). How fast a core is in comparison is estimated from public benchmarks, ±30 %.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

THROTTLE_FROM_C = 80.0
"""From this temperature of the SoC the firmware of every model lowers the Arm clock, in °C."""
THROTTLE_FULL_C = 85.0
"""At this temperature the clock is at its floor, in °C."""


class PiModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model of Raspberry Pi."""

    model: str
    """The name that its firmware gives it, without the revision, such as "Raspberry Pi 4 Model B"."""
    cores: int
    memory_bytes: int
    max_hz: float
    """The Arm clock under load, cool, as delivered."""
    floor_hz: float
    """The lowest Arm clock to which the firmware throttles."""
    cpu_s_per_x86_cpu_s: float
    """CPU seconds that one of its cores takes for the Python that a server's x86 core does in one."""
    steps: tuple[tuple[float, float], ...] = ()
    """Pairs of a temperature in °C and the highest Arm clock in Hz from there on, ascending."""
    progressive: bool = True
    """Whether the clock also falls little by little from THROTTLE_FROM_C to THROTTLE_FULL_C."""
    reports_under_voltage: bool = True
    """Whether its firmware reports under-voltage; the Zero range does not."""
    soft_limit_c: float | None = None
    """The temperature of the first of `steps` where the firmware reports that one as its soft limit."""

    @property
    def cpu_s_per_pi4_cpu_s(self) -> float:
        """CPU seconds that one of its cores takes for what a Pi 4's does in one, both at full clock."""
        return self.cpu_s_per_x86_cpu_s / PI_MODELS["pi4"].cpu_s_per_x86_cpu_s

    @property
    def capacity(self) -> float:
        """The load that it can carry when it is cool, in cores of a Pi 4 at full clock."""
        return self.cores / self.cpu_s_per_pi4_cpu_s


PI_MODELS: Mapping[str, PiModel] = {
    "zero2w": PiModel(
        model="Raspberry Pi Zero 2 W",
        cores=4,
        memory_bytes=512 << 20,
        max_hz=1.0e9,
        floor_hz=0.6e9,
        cpu_s_per_x86_cpu_s=9.0,
        reports_under_voltage=False,
    ),
    "pi3b+": PiModel(
        model="Raspberry Pi 3 Model B Plus",
        cores=4,
        memory_bytes=1 << 30,
        max_hz=1.4e9,
        floor_hz=0.6e9,
        cpu_s_per_x86_cpu_s=6.5,
        steps=((60.0, 1.2e9),),
        soft_limit_c=60.0,
    ),
    "pi4": PiModel(
        model="Raspberry Pi 4 Model B",
        cores=4,
        memory_bytes=4 << 30,
        max_hz=1.8e9,
        floor_hz=0.6e9,
        cpu_s_per_x86_cpu_s=4.0,
        # Which clocks there are is known, and the range; where in it each begins is an estimate.
        steps=((80.0, 1.5e9), (83.0, 1.0e9), (84.0, 0.75e9), (85.0, 0.6e9)),
        progressive=False,
    ),
    "pi5": PiModel(
        model="Raspberry Pi 5 Model B",
        cores=4,
        memory_bytes=8 << 30,
        max_hz=2.4e9,
        floor_hz=1.5e9,
        cpu_s_per_x86_cpu_s=2.0,
    ),
}


def find_model(name: str) -> PiModel | None:
    """The model of a board that reports `name`, to which firmware appends a revision; None for any other machine."""
    return next((model for model in PI_MODELS.values() if name.startswith(model.model)), None)
