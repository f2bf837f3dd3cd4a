"""The machine's own sensors: sane on this machine, and the CPU's temperature chosen among whatever chips there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from worker import __version__, sensors
from worker.sensors import MachineSensors, cpu_temperature_c


def test_this_machine_says_sane_things_of_itself() -> None:
    """Facts that don't change, and no simulation."""
    facts = MachineSensors().facts()
    assert facts == MachineSensors().facts()
    assert not facts.simulated
    assert facts.model
    assert 1 <= facts.cpu_count <= 4096
    assert facts.memory_bytes > 64 << 20
    assert facts.os.startswith(("Linux", "macOS", "Darwin"))
    assert (facts.python.split(".")[0], facts.piswarm) == ("3", __version__)


def test_this_machines_readings_are_sane() -> None:
    """Shares are shares, counters do not run backwards, and the temperature, where there is one, is no fever dream."""
    machine = MachineSensors()
    before, after = machine.read(), machine.read()
    for reading in (before, after):
        assert 0 <= reading.cpu_percent <= 100
        assert 0 < reading.memory_percent < 100
        assert 0 < reading.memory_used_bytes < machine.facts().memory_bytes
        assert reading.load_1min >= 0
        assert reading.temperature_c is None or -20 < reading.temperature_c < 120
        assert reading.frequency_hz is None or 1e8 < reading.frequency_hz < 1e10
    assert after.network_received_bytes >= before.network_received_bytes
    assert after.disk_written_bytes >= before.disk_written_bytes


@pytest.mark.parametrize(
    ("chips", "zone", "expected_c"),
    [
        pytest.param({"cpu_thermal": [48.2]}, None, 48.2, id="a Pi's SoC, by its driver"),
        pytest.param({"rp1_adc": [39.0], "cpu_thermal": [51.0]}, "1000", 51.0, id="a Pi 5 has an I/O chip as well"),
        pytest.param({"nvme": [33.0], "coretemp": [61.0, 59.0]}, None, 61.0, id="an Intel CPU's package comes first"),
        pytest.param({"k10temp": [55.5], "amdgpu": [70.0]}, None, 55.5, id="an AMD CPU beside its graphics"),
        pytest.param({"ds3231": [24.25]}, "47774\n", 47.774, id="a clock chip hides the SoC, the zone has it"),
        pytest.param({"ds3231": [24.25]}, None, None, id="a clock chip alone is no CPU"),
        pytest.param({"cpu_thermal": []}, "47774\n", 47.774, id="a chip without values"),
        pytest.param({}, "47774\n", 47.774, id="a zone alone"),
        pytest.param({}, None, None, id="nothing at all"),
        pytest.param({}, "unknown\n", None, id="a zone that says no number"),
        pytest.param({}, "", None, id="a zone that says nothing"),
    ],
)
def test_the_cpus_temperature_is_chosen_by_the_sensors_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chips: dict[str, list[float]], zone: str | None, expected_c: float
) -> None:
    """Never just any chip's: a rack judged by its clock chips would never be hot."""
    table = {name: [SimpleNamespace(current=value) for value in values] for name, values in chips.items()}
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: table)
    path = tmp_path / "temp"
    if zone is not None:
        path.write_text(zone)
    monkeypatch.setattr(sensors, "_THERMAL_ZONE", path)
    assert cpu_temperature_c() == expected_c


def test_a_machine_without_any_counters_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers have neither frequency nor disks to show: unknown stays unknown, and counters stay at zero."""
    for missing in ("net_io_counters", "disk_io_counters", "cpu_freq"):
        monkeypatch.setattr(psutil, missing, lambda: None)
    reading = MachineSensors().read()
    assert (reading.frequency_hz, reading.network_received_bytes, reading.disk_read_bytes) == (None, 0, 0)
