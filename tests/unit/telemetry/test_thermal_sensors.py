"""A CPU's temperature and a fan, chosen by name among whatever chips and zones there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.telemetry.proc_files import MAX_FAILURES, RETRY_S
from worker.telemetry.thermal_sensors import ThermalSensors

Named = list[tuple[str, str]]


def chips(root: Path, found: Named, *, value: str = "temp1_input") -> None:
    for number, (name, text) in enumerate(found):
        folder = root / f"sys/class/hwmon/hwmon{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / value).write_text(text)


def zones(root: Path, found: Named) -> None:
    for number, (kind, text) in enumerate(found):
        folder = root / f"sys/class/thermal/thermal_zone{number}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(f"{kind}\n")
        (folder / "temp").write_text(text)


CPU = [("cpu-thermal", "47774\n")]


@pytest.mark.parametrize(
    ("found_chips", "found_zones", "expected_c"),
    [
        pytest.param([("cpu_thermal", "48200\n")], [], 48.2, id="a Pi's SoC, by its driver"),
        pytest.param([("cpu-thermal", "48200\n")], [], 48.2, id="as older kernels spell it"),
        pytest.param([("rp1_adc", "39000"), ("cpu_thermal", "51000")], [], 51.0, id="a Pi 5 has an I/O chip as well"),
        pytest.param([("nvme", "33000"), ("coretemp", "61000")], [], 61.0, id="an Intel CPU"),
        pytest.param([("k10temp", "55500"), ("amdgpu", "70000")], [], 55.5, id="an AMD CPU beside its graphics"),
        pytest.param([("ds3231", "24250")], CPU, 47.774, id="a clock chip hides the SoC, the zone has it"),
        pytest.param([("ds3231", "24250")], [], None, id="a clock chip alone is no CPU"),
        pytest.param([("rpi_volt", "")], CPU, 47.774, id="chips without a temperature"),
        pytest.param([], CPU, 47.774, id="a zone alone"),
        pytest.param([], [("bcm2835_thermal", "47774")], 47.774, id="by the name that it had once"),
        pytest.param([], [("acpitz", "16800"), ("x86_pkg_temp", "61000")], 61.0, id="the first zone is the board's"),
        pytest.param([], [("acpitz", "16800")], None, id="a board is no CPU"),
        pytest.param([], [], None, id="nothing at all"),
        pytest.param([], [("cpu-thermal", "unknown\n")], None, id="a zone that says no number"),
        pytest.param([], [("cpu-thermal", "")], None, id="a zone that says nothing"),
        pytest.param([], [("cpu-thermal", "-274000")], None, id="a zone that says what can't be"),
        pytest.param([("cpu_thermal", "99999999999999999999999")], [], None, id="a number without end"),
    ],
)
def test_the_cpus_temperature_is_chosen_by_the_sensors_name(
    tmp_path: Path, found_chips: Named, found_zones: Named, expected_c: float | None
) -> None:
    """The CPU's temperature is that of a sensor by name, and never any chip's, whose value might never rise."""
    chips(tmp_path, found_chips)
    zones(tmp_path, found_zones)
    assert ThermalSensors(tmp_path).temperature_c(0.0) == expected_c


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [("pwmfan", "1468\n", 1468), ("gpio_fan", "0\n", 0), ("nct6775", "900\n", None), ("pwmfan", "-1", None)],
)
def test_a_fans_speed_is_read_by_its_chips_name(tmp_path: Path, name: str, text: str, expected: int | None) -> None:
    """A fan's speed is read by its chip's name, and one that stands still is 0, which is not the same as no fan."""
    chips(tmp_path, [("cpu_thermal", "1"), (name, text)], value="fan1_input")
    assert ThermalSensors(tmp_path).fan_rpm(0.0) == expected


def test_a_value_is_found_once_and_looked_for_again_after_it_has_failed_repeatedly(tmp_path: Path) -> None:
    """A sensor that fails repeatedly is looked for again, since a driver that is loaded anew may have another number."""
    chips(tmp_path, [("cpu_thermal", "50000")])
    warmth = ThermalSensors(tmp_path)
    assert warmth.temperature_c(0.0) == 50.0
    chip = tmp_path / "sys/class/hwmon/hwmon0"
    (chip / "temp1_input").write_text("")
    new = tmp_path / "sys/class/hwmon/hwmon7"
    new.mkdir()
    (new / "name").write_text("cpu_thermal\n")
    (new / "temp1_input").write_text("60000\n")
    (chip / "name").write_text("gone\n")
    assert [warmth.temperature_c(1.0) for _ in range(MAX_FAILURES)] == [None] * MAX_FAILURES
    assert warmth.temperature_c(RETRY_S) == 60.0
    warmth.close()


def test_a_machine_without_a_sensor_is_looked_through_seldom(tmp_path: Path) -> None:
    """A machine without a sensor is searched seldom, since a search costs more than a reading."""
    warmth = ThermalSensors(tmp_path)
    assert warmth.temperature_c(10.0) is None
    chips(tmp_path, [("cpu_thermal", "50000")])
    assert warmth.temperature_c(10.0 + RETRY_S - 1) is None
    assert warmth.temperature_c(10.0 + RETRY_S) == 50.0
