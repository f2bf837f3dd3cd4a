"""A simulated node turns this machine's work into the load and temperature of a Pi."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from worker.simulation import sensors
from worker.simulation.boards import BOARDS
from worker.simulation.orders import SimulatedBoard
from worker.simulation.sensors import MeasuredLoad, SimulatedSensors
from worker.simulation.virtual_cores import VirtualCores
from worker.telemetry.conditions import THROTTLED, UNDER_VOLTAGE, flag_state, pack_flags

PI4 = BOARDS["pi4"]
MEMORY_BYTES = 50 << 20


class Machine:
    """The machine under a simulated node, with a clock and a CPU counter that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 50.0
        self.used_s = 7.0
        monkeypatch.setattr(sensors, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def sensors(
        self,
        board: str = "pi4",
        cooling: str = "bare",
        ambient_c: float = 24.0,
        *,
        cores: VirtualCores | None = None,
        supply_w: float | None = None,
        thermal_speed: float = 1.0,
    ) -> SimulatedSensors:
        return SimulatedSensors(
            SimulatedBoard(board, cooling, ambient_c, supply_w, thermal_speed),
            load=cores or MeasuredLoad(BOARDS[board], lambda: self.used_s, self.now_s),
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
    """A node's CPU is scaled to its board: a Pi 4's core takes four times as long as this machine's, and there are four."""
    assert (PI4.cores, PI4.cpu_s_per_x86_cpu_s) == (4, 4.0)
    sensors = machine.sensors()
    machine.work(passed_s, busy_s)
    reading = sensors.read()
    assert reading.cpu_percent == pytest.approx(cpu_percent)
    assert reading.load_1min == pytest.approx(4 * cpu_percent / 100)


def test_each_reading_counts_from_the_one_before(machine: Machine) -> None:
    """Each reading counts CPU from the reading before, and the first one from the node's start."""
    sensors = machine.sensors()
    found = []
    for busy_s in (0.1, 0.3, 0.0):
        machine.work(1, busy_s)
        found.append(sensors.read().cpu_percent)
    assert found == pytest.approx([10, 30, 0])


def test_a_throttled_board_needs_more_of_itself_for_the_same_work(machine: Machine) -> None:
    """With hot air and full load the board is throttled, needs more CPU for the same work, and reports it."""
    sensors = machine.sensors(ambient_c=40)
    for _ in range(1800):
        machine.work(1, 1.0)
        hot = sensors.read()
    assert flag_state(hot.conditions, THROTTLED) is True
    assert hot.temperature_c is not None
    assert hot.temperature_c > 80
    assert hot.frequency_hz is not None
    assert hot.frequency_hz < PI4.max_hz
    machine.work(1, 0.25)
    assert sensors.read().cpu_percent == pytest.approx(25 * PI4.max_hz / hot.frequency_hz)


def test_a_board_that_was_throttled_remembers_it(machine: Machine) -> None:
    """A board that has cooled reports throttling since its start only, and its supply is good unless stated otherwise."""
    sensors = machine.sensors(ambient_c=40)
    for _ in range(1800):
        machine.work(1, 1.0)
        sensors.read()
    for _ in range(60):
        machine.work(60, 0.0)
        cool = sensors.read()
    assert (cool.conditions, cool.conditions_lately) == (pack_flags(0), pack_flags(0))
    assert cool.conditions_since_start == pack_flags(THROTTLED)
    assert flag_state(cool.conditions_since_start, UNDER_VOLTAGE) is False


def test_a_cool_board_runs_at_full_clock(machine: Machine) -> None:
    """A cool board runs at full clock, and its memory is that of the system and of the node's share of this process."""
    sensors = machine.sensors()
    machine.work(1, 0.1)
    reading = sensors.read()
    assert (reading.conditions, reading.frequency_hz) == (pack_flags(0), PI4.max_hz)
    assert reading.memory_used_bytes == MEMORY_BYTES + (180 << 20)
    assert reading.memory_percent == pytest.approx(100 * reading.memory_used_bytes / PI4.memory_bytes)


def test_a_fan_and_a_weak_supply_are_in_the_reading(machine: Machine) -> None:
    """A Pi 5's fan turns when it is warm, and a board reports a load that is too much for its supply."""
    sensors = machine.sensors("pi5", "cooled", ambient_c=30, supply_w=5.0)
    machine.work(1, 0.0)
    rest = sensors.read()
    assert (rest.fan_step, rest.fan_rpm, rest.conditions) == (1, 2400, pack_flags(0))
    machine.work(10, 20.0)
    busy = sensors.read()
    assert flag_state(busy.conditions, UNDER_VOLTAGE) is True
    assert busy.frequency_hz == BOARDS["pi5"].floor_hz
    assert (machine.sensors("pi4", "cooled").read().fan_step, machine.sensors().read().fan_rpm) == (None, None)


def test_a_zero_knows_nothing_of_its_voltage(machine: Machine) -> None:
    """A Pi Zero reports its voltage as unknown, which is not the same as good."""
    reading = machine.sensors("zero2w").read()
    assert flag_state(reading.conditions, UNDER_VOLTAGE) is None
    assert flag_state(reading.conditions_since_start, UNDER_VOLTAGE) is None
    assert flag_state(reading.conditions, THROTTLED) is False


def test_a_faster_model_is_as_hot_in_a_tenth_of_the_time(machine: Machine) -> None:
    """A thermal model of ten times the speed is as hot in a tenth of the time, with the load of the time that really passes."""
    real, faster = machine.sensors(), machine.sensors(thermal_speed=10.0)
    for second in range(100):
        machine.work(1, 0.5)
        reading = real.read()
        if second < 10:
            early = faster.read()
            assert early.cpu_percent == pytest.approx(50)
    assert early.temperature_c == pytest.approx(reading.temperature_c)


def test_virtual_cores_are_slowed_by_the_heat_that_they_make(machine: Machine) -> None:
    """Virtual cores give the node's CPU, and the same work keeps them busy for longer when heat slows the clock."""
    cores = VirtualCores(4, machine.now_s)
    sensors = machine.sensors(ambient_c=42, cores=cores)
    speeds = []
    for _ in range(900):
        speeds.append(cores.speed)
        for _ in range(20):
            machine.work(0.05, 0.0)
            cores.charge_work(machine.now_s, 0.05)
        cores.end_second(machine.now_s)
        reading = sensors.read()
        assert reading.cpu_percent == pytest.approx(25 / speeds[-1], abs=2.6)  # what is begun keeps its speed
        assert reading.frequency_hz == cores.speed * PI4.max_hz
    assert speeds[0] == 1
    assert min(speeds) < 0.9


@pytest.mark.parametrize("board", list(BOARDS))
def test_a_simulated_node_says_that_it_is_simulated_and_what_it_stands_for(machine: Machine, board: str) -> None:
    """A simulated node's facts say that it is simulated and are those of its board, not of this machine."""
    facts = machine.sensors(board, cooling=next(iter(BOARDS[board].coolings))).facts()
    assert facts.simulated
    assert (facts.model, facts.cpu_count, facts.memory_bytes) == (
        BOARDS[board].model,
        BOARDS[board].cores,
        BOARDS[board].memory_bytes,
    )
