"""A machine's temperature and fan from the kernel's files, chosen by the sensors' names, never just the first."""

from __future__ import annotations

from pathlib import Path

from worker.telemetry.proc_files import NumberFile, find_chip, numbered, read_text

CPU_CHIPS = ("cpu_thermal", "cpu-thermal", "soc_thermal", "coretemp", "k10temp")
"""The hwmon chips with a CPU's temperature. Others, such as a clock (ds3231) or a Pi 5's rp1_adc, have their own."""
CPU_ZONES = ("cpu-thermal", "cpu_thermal", "soc-thermal", "soc_thermal", "bcm2835_thermal", "x86_pkg_temp")
FAN_CHIPS = ("pwmfan", "gpio_fan")
FAN_DEVICES = ("pwm-fan", "gpio-fan", "rpi-poe-fan")


def find_temperature(root: Path) -> Path | None:
    """The file with the CPU's temperature in thousandths of °C."""
    chip = find_chip(root, *CPU_CHIPS)
    if chip is not None and (chip / "temp1_input").exists():
        return chip / "temp1_input"
    # A kernel may have thermal zones without showing them as chips.
    zones = numbered(root / "sys/class/thermal", "thermal_zone")
    return next((zone / "temp" for zone in zones if read_text(zone / "type").strip() in CPU_ZONES), None)


def find_fan_speed(root: Path) -> Path | None:
    """The file with a fan's turns per minute."""
    chip = find_chip(root, *FAN_CHIPS)
    return chip / "fan1_input" if chip is not None and (chip / "fan1_input").exists() else None


def find_fan_step(root: Path) -> Path | None:
    """The file with the step that the kernel has set a fan to."""
    devices = numbered(root / "sys/class/thermal", "cooling_device")
    return next((device / "cur_state" for device in devices if read_text(device / "type").strip() in FAN_DEVICES), None)


class ThermalSensors:
    """The temperature and fan of the machine whose files are below `root`; None for what it has no sensor for."""

    def __init__(self, root: Path) -> None:
        self._temperature = NumberFile(lambda: find_temperature(root))
        self._fan_speed = NumberFile(lambda: find_fan_speed(root))
        self._fan_step = NumberFile(lambda: find_fan_step(root))

    def temperature_c(self, now_s: float) -> float | None:
        """The CPU's temperature."""
        thousandths = self._temperature.read(now_s)
        return thousandths / 1000 if thousandths is not None and -60_000 <= thousandths <= 200_000 else None

    def fan_rpm(self, now_s: float) -> int | None:
        """The fan's speed by its tachometer, which on a Pi 5 can be 0 though the fan runs (raspberrypi/linux #7556)."""
        return _within(self._fan_speed.read(now_s), 100_000)

    def fan_step(self, now_s: float) -> int | None:
        """The fan's step, 0 for off; a Pi 5's cooler has steps up to 4."""
        return _within(self._fan_step.read(now_s), 1000)

    def close(self) -> None:
        """Close the files."""
        for each in (self._temperature, self._fan_speed, self._fan_step):
            each.close()


def _within(value: int | None, max_value: int) -> int | None:
    return value if value is not None and 0 <= value <= max_value else None
