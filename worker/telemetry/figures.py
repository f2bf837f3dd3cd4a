"""What a node's users are told of their node: the figures of the machine, or those of the board that it stands for."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

from worker import __version__
from worker.telemetry.counters import open_counters
from worker.telemetry.facts import read_model, read_revision, read_software
from worker.telemetry.thermal_sensors import ThermalSensors
from worker.wire.messages import Facts, Reading

FRESH_S = 1.0
"""A reading is taken no more often than this, however many users ask."""


class NodeFigures(Protocol):
    """The figures of one node, for users that report them."""

    def facts(self) -> Facts:
        """What does not change."""

    def latest(self) -> Reading | None:
        """The latest reading; None before the first."""


class MachineFigures:
    """The figures of the machine that this process runs on. A Pi's firmware is asked by its agent alone."""

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        """The machine's files are below `root`; what is not in them comes from psutil."""
        self._clock = clock
        self._counters = open_counters(root)
        self._thermal = ThermalSensors(root)
        self._facts = Facts(
            simulated=False,
            model=read_model(root),
            cpu_count=os.cpu_count() or 1,
            memory_bytes=self._counters.memory_bytes,
            piswarm=__version__,
            revision=read_revision(root),
            **read_software(root),
        )
        self._read_s = clock() - FRESH_S
        self._reading: Reading | None = None

    def facts(self) -> Facts:
        """As NodeFigures."""
        return self._facts

    def latest(self) -> Reading:
        """As NodeFigures, at most FRESH_S old; CPU use is that since the reading before."""
        now_s = self._clock()
        if self._reading is None or now_s - self._read_s >= FRESH_S:
            counters = self._counters.read()
            self._read_s = now_s
            self._reading = Reading(
                cpu_percent=counters.cpu_percent,
                memory_percent=counters.memory_percent,
                memory_used_bytes=counters.memory_used_bytes,
                load_1min=os.getloadavg()[0],
                temperature_c=self._thermal.temperature_c(now_s),
                network_received_bytes=counters.network_received_bytes,
                network_sent_bytes=counters.network_sent_bytes,
                disk_read_bytes=counters.disk_read_bytes,
                disk_written_bytes=counters.disk_written_bytes,
            )
        return self._reading


@cache
def machine_figures() -> MachineFigures:
    """The figures of this machine, one for the process."""
    return MachineFigures()


def figures_of(environment: object) -> NodeFigures:
    """The figures of the node that the users of `environment` run on: `environment.node_figures`, or this machine's."""
    found: NodeFigures | None = getattr(environment, "node_figures", None)
    return machine_figures() if found is None else found


def architecture(facts: Facts) -> str | None:
    """As `uname -m` says it; None for a board that is only simulated."""
    return None if facts.simulated else platform.machine()
