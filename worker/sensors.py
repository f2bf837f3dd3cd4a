"""What a machine's own sensors say, read with psutil."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Protocol

import psutil

from worker import __version__
from worker.wire import Facts, Reading

_CPU_SENSORS = ("cpu_thermal", "cpu-thermal", "soc_thermal", "coretemp", "k10temp")
_THERMAL_ZONE = Path("/sys/class/thermal/thermal_zone0/temp")
_MODEL = Path("/proc/device-tree/model")


class Sensors(Protocol):
    """Where an agent's telemetry comes from: a machine, or a model of one."""

    def facts(self) -> Facts:
        """What does not change."""

    def read(self) -> Reading:
        """The state now. CPU is counted since the reading before."""


class MachineSensors:
    """The sensors of the machine this process runs on."""

    def __init__(self) -> None:
        psutil.cpu_percent()  # the first call only sets the point to measure from

    def facts(self) -> Facts:
        """What does not change about this machine."""
        return Facts(
            simulated=False,
            model=_MODEL.read_text().rstrip("\0") if _MODEL.exists() else platform.machine(),
            cpu_count=psutil.cpu_count() or 1,
            memory_bytes=psutil.virtual_memory().total,
            os=platform.platform(terse=True),
            python=platform.python_version(),
            piswarm=__version__,
        )

    def read(self) -> Reading:
        """The state now; what the machine has no sensor for is None."""
        memory = psutil.virtual_memory()
        network = psutil.net_io_counters()
        disk = psutil.disk_io_counters()
        frequency = psutil.cpu_freq()
        return Reading(
            cpu_percent=psutil.cpu_percent(),
            memory_percent=memory.percent,
            memory_used_bytes=memory.total - memory.available,
            load_1min=psutil.getloadavg()[0],
            temperature_c=cpu_temperature_c(),
            frequency_hz=frequency.current * 1e6 if frequency else None,
            network_received_bytes=network.bytes_recv if network else 0,
            network_sent_bytes=network.bytes_sent if network else 0,
            disk_read_bytes=disk.read_bytes if disk else 0,
            disk_written_bytes=disk.write_bytes if disk else 0,
        )


def cpu_temperature_c() -> float | None:
    """The CPU's temperature in °C, chosen by the sensor's name; None where the machine does not say.

    psutil leaves out thermal zones as soon as any hwmon chip reports a temperature, so a clock chip can hide the SoC:
    the first thermal zone, which is the SoC on every Pi, is asked next.
    """
    sensors = psutil.sensors_temperatures()
    for name in _CPU_SENSORS:
        if sensors.get(name):
            return float(sensors[name][0].current)
    try:
        return int(_THERMAL_ZONE.read_text()) / 1000
    except (OSError, ValueError):
        return None
