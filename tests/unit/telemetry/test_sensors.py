"""The machine's own sensors give plausible values on any machine."""

from __future__ import annotations

from worker import __version__
from worker.telemetry.sensors import MachineSensors


def test_this_machine_says_sane_things_of_itself() -> None:
    """This machine's facts are plausible, stay the same, and are not simulated."""
    facts = MachineSensors().facts()
    assert facts == MachineSensors().facts()
    assert not facts.simulated
    assert all((facts.model, facts.os, facts.kernel, facts.revision))
    assert 1 <= facts.cpu_count <= 4096
    assert facts.memory_bytes > 64 << 20
    assert (facts.python.split(".")[0], facts.piswarm) == ("3", __version__)


def test_this_machines_readings_are_sane() -> None:
    """This machine's readings are plausible: shares are within 100 %, counters don't run backwards, and the temperature
    is possible.
    """
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
    machine.close()
