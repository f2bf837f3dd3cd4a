"""The sensors of a machine, and the interface that simulated ones share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from worker import __version__
from worker.telemetry.conditions import SLOWING, Accumulator, is_active
from worker.telemetry.counters import open_counters
from worker.telemetry.facts import read_model, read_revision, read_software
from worker.telemetry.modules import importable_modules
from worker.telemetry.pi.chain import chain_for
from worker.telemetry.thermal_sensors import ThermalSensors
from worker.tracing.installed import is_installed
from worker.wire.messages import Facts, Reading


class Sensors(Protocol):
    """The source of an agent's telemetry: a machine, or a model of one."""

    def facts(self) -> Facts:
        """Facts about the machine."""

    def read(self) -> Reading:
        """The state now; CPU use is that since the reading before."""


class MachineSensors:
    """The sensors of the machine this process runs on."""

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        """The machine's files are below `root`; what is not in them comes from psutil."""
        self._root = root
        self._clock = clock
        self._model = read_model(root)
        self._counters = open_counters(root)
        self._firmware = chain_for(self._model, root)
        self._thermal = ThermalSensors(root)
        self._conditions = Accumulator()
        self.capacity: float | None = None
        """The load that the machine can carry when it is cool, in cores of a Pi 4; None until it is measured."""

    def is_throttled(self) -> bool:
        """Whether the firmware is known to hold the clock down at the moment."""
        return is_active(self._firmware.read(self._clock()).conditions, SLOWING)

    def facts(self) -> Facts:
        """Facts about this machine. Its capacity may be measured only later."""
        return Facts(
            simulated=False,
            model=self._model,
            cpu_count=os.cpu_count() or 1,
            memory_bytes=self._counters.memory_bytes,
            piswarm=__version__,
            revision=read_revision(self._root),
            capacity=self.capacity,
            tracing=is_installed(),
            modules=importable_modules(),
            **read_software(self._root),
        )

    def read(self) -> Reading:
        """The state now; None for what the machine has no sensor for. Never waits for a probe."""
        now_s = self._clock()
        counters = self._counters.read()
        firmware = self._firmware.read(now_s)
        lately, since_start = self._conditions.add(firmware.conditions, firmware.occurred)
        temperature_c = firmware.temperature_c
        return Reading(
            cpu_percent=counters.cpu_percent,
            memory_percent=counters.memory_percent,
            memory_used_bytes=counters.memory_used_bytes,
            load_1min=os.getloadavg()[0],
            temperature_c=self._thermal.temperature_c(now_s) if temperature_c is None else temperature_c,
            frequency_hz=firmware.clock_hz,
            fan_rpm=self._thermal.fan_rpm(now_s),
            fan_step=self._thermal.fan_step(now_s),
            conditions=firmware.conditions,
            conditions_lately=lately,
            conditions_since_start=since_start,
            network_received_bytes=counters.network_received_bytes,
            network_sent_bytes=counters.network_sent_bytes,
            disk_read_bytes=counters.disk_read_bytes,
            disk_written_bytes=counters.disk_written_bytes,
        )

    def close(self) -> None:
        """Close what the probes have open."""
        self._firmware.close()
        self._thermal.close()
