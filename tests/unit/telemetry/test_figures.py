"""The figures of a node that its users report."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import psutil

from worker.simulation.boards import BOARDS
from worker.simulation.orders import SimulatedBoard
from worker.simulation.sensors import SimulatedSensors
from worker.simulation.virtual_cores import VirtualCores
from worker.telemetry.figures import FRESH_S, MachineFigures, architecture, figures_of, machine_figures


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Environment:
    pass


def test_a_machine_has_its_own_figures() -> None:
    figures = MachineFigures()
    facts, reading = figures.facts(), figures.latest()
    assert facts.memory_bytes == psutil.virtual_memory().total
    assert not facts.simulated
    assert architecture(facts) == platform.machine()
    assert 0 <= reading.cpu_percent <= 100
    assert 0 < reading.memory_percent < 100


def test_a_reading_is_taken_once_a_second_however_many_ask() -> None:
    clock = Clock()
    figures = MachineFigures(Path("/"), clock)
    first = figures.latest()
    clock.now_s += FRESH_S / 2
    assert figures.latest() is first
    clock.now_s += FRESH_S / 2
    assert figures.latest() is not first


def test_users_of_an_environment_without_figures_have_those_of_the_machine() -> None:
    assert figures_of(Environment()) is machine_figures()
    assert figures_of(object()) is machine_figures()


def test_a_simulated_node_has_the_figures_of_its_board() -> None:
    """Its latest reading is what its agent has sent; nobody else advances its thermal model."""
    cores = VirtualCores(4, time.monotonic())
    sensors = SimulatedSensors(SimulatedBoard("pi5", "cooled", 24.0), load=cores, memory_bytes=lambda: 1 << 20)
    assert sensors.latest() is None
    reading = sensors.read()
    assert sensors.latest() is reading
    assert sensors.facts().memory_bytes == BOARDS["pi5"].memory_bytes
    assert architecture(sensors.facts()) is None
    environment = Environment()
    environment.node_figures = sensors
    assert figures_of(environment) is sensors
