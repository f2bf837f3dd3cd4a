"""A simulated node: this machine's work as the load and heat that it would be on a Pi."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from worker import simulated
from worker.conditions import THROTTLED, UNDER_VOLTAGE, state, told
from worker.orders import Board
from worker.simulated import SimulatedSensors
from worker.thermal import BOARDS

PI4 = BOARDS["pi4"]
MEMORY_BYTES = 50 << 20


class Machine:
    """The machine under a simulated node, with a clock and a CPU counter that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 50.0
        self.used_s = 7.0
        monkeypatch.setattr(simulated, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def sensors(
        self, node: str = "sim001", board: str = "pi4", cooling: str = "bare", ambient_c: float = 24.0, seed: int = 0
    ) -> SimulatedSensors:
        return SimulatedSensors(
            node,
            Board(board, cooling, ambient_c),
            seed=seed,
            cpu_s=lambda: self.used_s,
            memory_bytes=lambda: MEMORY_BYTES,
        )

    def work(self, passed_s: float, busy_s: float) -> None:
        self.now_s += passed_s
        self.used_s += busy_s


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize(
    ("passed_s", "busy_s", "cpu_percent"),
    [
        pytest.param(1.0, 0.0, 0.0, id="idle"),
        pytest.param(1.0, 0.25, 25.0, id="a quarter of a core here is a whole one of four there"),
        pytest.param(2.0, 0.25, 12.5, id="over twice the time it is half"),
        pytest.param(1.0, 0.9, 90.0, id="nearly all"),
        pytest.param(1.0, 5.0, 100.0, id="more than the board could do is all that it could"),
        pytest.param(0.0, 0.0, 0.0, id="no time between two readings"),
    ],
)
def test_the_share_of_this_cpu_is_scaled_to_the_board(
    machine: Machine, passed_s: float, busy_s: float, cpu_percent: float
) -> None:
    """A Pi 4's core takes four times as long as this machine's, and there are four of them."""
    assert (PI4.cores, PI4.cpu_s_per_x86_cpu_s) == (4, 4.0)
    sensors = machine.sensors()
    machine.work(passed_s, busy_s)
    reading = sensors.read()
    assert reading.cpu_percent == pytest.approx(cpu_percent)
    assert reading.load_1min == pytest.approx(4 * cpu_percent / 100)


def test_each_reading_counts_from_the_one_before(machine: Machine) -> None:
    """What was used before the first belongs to nobody."""
    sensors = machine.sensors()
    found = []
    for busy_s in (0.1, 0.3, 0.0):
        machine.work(1, busy_s)
        found.append(sensors.read().cpu_percent)
    assert found == pytest.approx([10, 30, 0])


def test_a_throttled_board_needs_more_of_itself_for_the_same_work(machine: Machine) -> None:
    """Hot air and full load slow the clock down; the reading says so."""
    sensors = machine.sensors(ambient_c=40)
    for _ in range(1800):
        machine.work(1, 1.0)
        hot = sensors.read()
    assert state(hot.conditions, THROTTLED) is True
    assert hot.temperature_c is not None
    assert hot.temperature_c > 80
    assert hot.frequency_hz is not None
    assert hot.frequency_hz < PI4.max_hz
    machine.work(1, 0.25)
    assert sensors.read().cpu_percent == pytest.approx(25 * PI4.max_hz / hot.frequency_hz)


def test_a_board_that_was_throttled_remembers_it(machine: Machine) -> None:
    """When it has cooled, only since the start; the supply of a model is always good."""
    sensors = machine.sensors(ambient_c=40)
    for _ in range(1800):
        machine.work(1, 1.0)
        sensors.read()
    for _ in range(60):
        machine.work(60, 0.0)
        cool = sensors.read()
    assert (cool.conditions, cool.conditions_lately) == (told(0), told(0))
    assert cool.conditions_since_start == told(THROTTLED)
    assert state(cool.conditions_since_start, UNDER_VOLTAGE) is False


def test_a_cool_board_runs_at_full_clock(machine: Machine) -> None:
    """And its memory is what the system and the node's share of this process need."""
    sensors = machine.sensors()
    machine.work(1, 0.1)
    reading = sensors.read()
    assert (reading.conditions, reading.frequency_hz) == (told(0), PI4.max_hz)
    assert reading.memory_used_bytes == MEMORY_BYTES + (180 << 20)
    assert reading.memory_percent == pytest.approx(100 * reading.memory_used_bytes / PI4.memory_bytes)


def temperature_c(machine: Machine, node: str, seed: int) -> float:
    temperature_c = machine.sensors(node, seed=seed).read().temperature_c
    assert temperature_c is not None
    return temperature_c


def test_each_node_stands_in_air_of_its_own_up_to_four_degrees_warmer(machine: Machine) -> None:
    """The same for the same seed and name, so that a run can be repeated."""
    nodes = [f"sim{number:03}" for number in range(200)]
    rises_c = [temperature_c(machine, node, seed=1) - (24 + 13.0 * PI4.idle_w) for node in nodes]
    assert min(rises_c) >= 0
    assert max(rises_c) <= 4
    assert max(rises_c) - min(rises_c) > 3
    assert temperature_c(machine, "sim001", seed=1) == temperature_c(machine, "sim001", seed=1)
    assert temperature_c(machine, "sim001", seed=1) != temperature_c(machine, "sim001", seed=2)


@pytest.mark.parametrize("board", list(BOARDS))
def test_a_simulated_node_says_that_it_is_simulated_and_what_it_stands_for(machine: Machine, board: str) -> None:
    """The board's figures, not this machine's."""
    facts = machine.sensors(board=board, cooling=next(iter(BOARDS[board].resistance_c_per_w))).facts()
    assert facts.simulated
    assert (facts.model, facts.cpu_count, facts.memory_bytes) == (
        BOARDS[board].model,
        BOARDS[board].cores,
        BOARDS[board].memory_bytes,
    )
