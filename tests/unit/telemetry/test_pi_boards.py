"""Whole boards, laid out from the files and outputs in tests/data/pi, and what an agent on each would report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pi_boards import BOARDS, install_vcgencmd, lay_out, said_by_vcgencmd, script_for

from worker.telemetry.conditions import (
    ALL,
    FREQUENCY_CAPPED,
    SLOWING,
    SOFT_LIMITED,
    THROTTLED,
    UNDER_VOLTAGE,
    UNKNOWN,
    is_active,
    pack_flags,
)
from worker.telemetry.pi.sysfs import GET_THROTTLED, Sysfs, parse_throttled
from worker.telemetry.pi.vcgencmd import POLL_INTERVAL_S, TIMEOUT_S, Vcgencmd
from worker.telemetry.sensors import MachineSensors
from worker.wire.messages import Reading

DEADLINE_S = 20.0
BOOKWORM, BUSTER = "Debian GNU/Linux 12 (bookworm)", "Raspbian GNU/Linux 10 (buster)"


class Expected(NamedTuple):
    """The report expected of a board, with vcgencmd, and by the kernel's files alone."""

    model: str
    revision: str
    kernel: str
    os: str
    temperature_c: float
    clock_hz: float | None
    conditions: int
    by_files_alone: int
    fan: tuple[int | None, int | None]


EXPECTED = {
    "zero2w": Expected(
        "Raspberry Pi Zero 2 W Rev 1.0",
        "902120",
        "6.12.25+rpt-rpi-v8",
        BOOKWORM,
        81.123,
        800_006_400.0,
        pack_flags(FREQUENCY_CAPPED | THROTTLED, SLOWING),
        pack_flags(FREQUENCY_CAPPED | THROTTLED, FREQUENCY_CAPPED | THROTTLED),
        (None, None),
    ),
    "3b-plus": Expected(
        "Raspberry Pi 3 Model B Plus Rev 1.3",
        "a020d3",
        "5.15.84-v8+",
        "Debian GNU/Linux 11 (bullseye)",
        62.3,
        1_200_002_000.0,
        pack_flags(SOFT_LIMITED),
        pack_flags(SOFT_LIMITED, SOFT_LIMITED),
        (None, None),
    ),
    "4b-buster": Expected(
        "Raspberry Pi 4 Model B Rev 1.2",
        "c03112",
        "4.19.97-v7l+",
        BUSTER,
        80.8,
        1_000_212_864.0,
        pack_flags(FREQUENCY_CAPPED | THROTTLED),
        pack_flags(FREQUENCY_CAPPED | THROTTLED, FREQUENCY_CAPPED | THROTTLED),
        (None, 1),
    ),
    "4b-bookworm": Expected(
        "Raspberry Pi 4 Model B Rev 1.5",
        "d03115",
        "6.12.25+rpt-rpi-v8",
        BOOKWORM,
        43.329,
        600_117_184.0,
        pack_flags(UNDER_VOLTAGE | THROTTLED),
        pack_flags(UNDER_VOLTAGE | THROTTLED, UNDER_VOLTAGE | THROTTLED),
        (None, None),
    ),
    "5": Expected(
        "Raspberry Pi 5 Model B Rev 1.0",
        "c04170",
        "6.1.0-rpi7-rpi-2712",
        BOOKWORM,
        45.8,
        2_400_023_552.0,
        pack_flags(0),
        UNKNOWN,
        (1468, 1),
    ),
    "x86": Expected("", "unknown", "6.1.0-37-amd64", BOOKWORM, 44.125, None, UNKNOWN, UNKNOWN, (None, None)),
}
PIS = [board for board in BOARDS if board != "x86"]


class Machine:
    """A board's sensors, with a clock that the test moves."""

    def __init__(self, board: str, root: Path) -> None:
        self.now_s = 1000.0
        self.root = lay_out(board, root)
        self.sensors = MachineSensors(root, clock=lambda: self.now_s)

    def read(self) -> Reading:
        return self.sensors.read()

    def read_known(self) -> Reading:
        """Return the first reading of which something is known, as soon as the program has answered."""
        deadline_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline_s:
            reading = self.read()
            if reading.conditions != UNKNOWN:
                return reading
            time.sleep(0.005)
        raise AssertionError("no probe answered")


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """The board that the test names."""
    found = Machine(request.param, tmp_path)
    yield found
    found.sensors.close()
    for probe in found.sensors._firmware._probes:
        for process in probe._killed if isinstance(probe, Vcgencmd) else ():
            process.wait()


def each(*boards: str) -> Any:
    return pytest.mark.parametrize("machine", boards, indirect=True)


def test_every_board_is_expected_to_say_something() -> None:
    """Every folder of a board has a row of expected values."""
    assert sorted(EXPECTED) == BOARDS


@pytest.mark.parametrize(("machine", "board"), [(board, board) for board in BOARDS], indirect=["machine"])
def test_a_board_says_what_it_is(machine: Machine, board: str) -> None:
    """A board's facts are those that are known of it, and none is empty."""
    facts, expected = machine.sensors.facts(), EXPECTED[board]
    assert (facts.revision, facts.kernel, facts.os) == expected[1:4]
    assert facts.model == expected.model or not expected.model
    assert facts.memory_bytes == machine.sensors._counters.memory_bytes > 400 << 20
    assert not facts.simulated
    assert all((facts.model, facts.python, facts.piswarm))


@pytest.mark.parametrize(("machine", "board"), [(board, board) for board in PIS], indirect=["machine"])
def test_with_vcgencmd_a_board_says_how_it_is(machine: Machine, board: str) -> None:
    """With vcgencmd a board reports its true clock and all conditions, without under-voltage on the Zero range."""
    expected = EXPECTED[board]
    install_vcgencmd(machine.root, script_for(said_by_vcgencmd(board)))
    reading = machine.read_known()
    assert (reading.conditions, reading.frequency_hz) == (expected.conditions, expected.clock_hz)
    assert (reading.conditions_lately, reading.conditions_since_start) == (expected.conditions,) * 2
    assert (reading.temperature_c, reading.fan_rpm, reading.fan_step) == (expected.temperature_c, *expected.fan)


@pytest.mark.parametrize(("machine", "board"), [(board, board) for board in BOARDS], indirect=["machine"])
def test_by_the_kernels_files_alone_a_board_is_never_said_to_be_well(machine: Machine, board: str) -> None:
    """The kernel's files alone show active conditions and no absence of any, and no clock, as they give the one requested."""
    reading, expected = machine.read(), EXPECTED[board]
    assert reading.conditions == expected.by_files_alone
    assert reading.conditions >> 4 & ALL == reading.conditions & ALL
    assert reading.frequency_hz is None
    assert (reading.temperature_c, reading.fan_rpm, reading.fan_step) == (expected.temperature_c, *expected.fan)


@each(*BOARDS)
def test_without_any_probe_nothing_is_known(machine: Machine) -> None:
    """Without any probe all conditions are unknown, now, lately and since the start."""
    (machine.root / GET_THROTTLED).unlink(missing_ok=True)
    for alarm in machine.root.glob("sys/class/hwmon/*/in0_lcrit_alarm"):
        alarm.unlink()
    for _ in range(3):
        reading = machine.read()
        found = (reading.conditions, reading.conditions_lately, reading.conditions_since_start, reading.frequency_hz)
        assert found == (UNKNOWN, UNKNOWN, UNKNOWN, None)


@each("4b-bookworm")
def test_an_under_voltage_of_two_seconds_ago_is_told_by_the_alarm_alone(machine: Machine) -> None:
    """Where the kernel has only the alarm, under-voltage is known while it is on, and unknown again when it is off."""
    (machine.root / GET_THROTTLED).unlink()
    assert machine.read().conditions == pack_flags(UNDER_VOLTAGE, UNDER_VOLTAGE)
    (machine.root / "sys/class/hwmon/hwmon1/in0_lcrit_alarm").write_text("0\n")
    reading = machine.read()
    assert (reading.conditions, reading.conditions_lately) == (UNKNOWN, UNKNOWN)
    assert reading.conditions_since_start == pack_flags(UNDER_VOLTAGE, UNDER_VOLTAGE)


@each("3b-plus")
def test_a_program_that_hangs_gives_way_to_the_files_without_delaying_a_sample(machine: Machine) -> None:
    """While a program hangs, readings are unknown and no sample is delayed; after its timeout the kernel's files are read."""
    install_vcgencmd(machine.root, "exec sleep 1000")
    began_s = time.monotonic()
    found = []
    for _ in range(4):
        found.append(machine.read().conditions)
        machine.now_s += TIMEOUT_S / 2
    assert found == [UNKNOWN] * 2 + [pack_flags(SOFT_LIMITED, SOFT_LIMITED)] * 2
    assert time.monotonic() - began_s < DEADLINE_S


@each("4b-bookworm")
def test_flags_are_kept_since_the_agents_start(machine: Machine) -> None:
    """Conditions since the agent's start are kept, since the firmware's own flags may be cleared at any time."""
    install_vcgencmd(machine.root, script_for(said_by_vcgencmd("4b-bookworm")))
    first = machine.read_known()
    install_vcgencmd(machine.root, script_for(said_by_vcgencmd("5")))
    deadline_s = time.monotonic() + DEADLINE_S
    machine.now_s += POLL_INTERVAL_S
    while (reading := machine.read()).conditions == first.conditions and time.monotonic() < deadline_s:
        time.sleep(0.005)
    assert (reading.conditions, reading.conditions_lately) == (pack_flags(0), pack_flags(0))
    assert reading.conditions_since_start == first.conditions
    assert not is_active(reading.conditions_lately, ALL)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0\n", 0),
        ("50005\n", 0x50005),
        ("E0008", 0xE0008),
        ("0x0\n", None),
        ("", None),
        ("none\n", None),
        ("1_0", None),
    ],
)
def test_the_kernels_word_is_bare_hexadecimal(text: str, value: int | None) -> None:
    """The kernel's flags are bare hexadecimal, and anything else is no value."""
    assert parse_throttled(text) == value


@each("3b-plus")
def test_the_files_tell_of_what_has_occurred(machine: Machine) -> None:
    """The kernel's "has occurred" flags show a short event between two samples."""
    (machine.root / GET_THROTTLED).write_text("50000\n")
    assert Sysfs(machine.root).read(0.0).occurred == UNDER_VOLTAGE | THROTTLED
    machine.read()
    (machine.root / GET_THROTTLED).write_text("d0000\n")
    assert machine.read().conditions_lately == pack_flags(SOFT_LIMITED, SOFT_LIMITED)
