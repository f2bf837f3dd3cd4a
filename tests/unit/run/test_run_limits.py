"""Limits of this machine that the users asked for would exceed are reported first, and a target at its limit is named."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from master.judge.generator.validity import check
from master.judge.seconds.fitness import FitnessLog
from master.judge.target.bottleneck import find_bottleneck
from master.load.schedule import LoadSchedule, Progress
from master.run.processes import limits
from master.run.processes.limits import files_needed, limit_warnings
from master.run.storage import LOG_BYTES, REPORT_BYTES, Growth, format_bytes
from master.scenario import Stage, ValidityLimits


def warnings(users: int, nodes: int = 2, *, simulated: bool = True) -> list[str]:
    return list(limit_warnings(users, nodes, simulated=simulated, separate_processes=False, embedded=simulated))


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "range"
    file.write_text("32768\t60999\n", encoding="ascii")
    monkeypatch.setattr(limits, "_PORTS", file)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200, 200))
    return file


@pytest.mark.usefixtures("ports")
def test_too_few_open_files_are_told_of_with_the_remedy() -> None:
    """Too few open files for both ends of 1000 connections are reported with the remedy, but not with real nodes."""
    (said,) = warnings(1000)
    assert "may have 200 files open" in said
    assert "1000 users" in said
    assert f"ulimit -n {files_needed(1000, 2, simulated=True, separate_processes=False, embedded=True)}" in said
    assert warnings(100) == []
    assert warnings(1000, simulated=False) == []


def test_too_few_local_ports_are_told_of_with_the_remedy(ports: Path) -> None:
    """Too few local ports are reported with the remedy, but not with real nodes, which have their own."""
    ports.write_text("50000\t50099\n", encoding="ascii")
    (said,) = warnings(101)
    assert "100 local ports" in said
    assert "ip_local_port_range" in said
    assert warnings(100) == []
    assert warnings(101, simulated=False) == []
    ports.unlink()
    assert warnings(101) == []


def test_a_target_that_was_busy_for_most_of_the_steady_part_is_the_bottleneck() -> None:
    """A target busy for most of the steady part is the bottleneck; one busy for a while, or hardly known, is not."""
    steady = range(10, 20)
    said = find_bottleneck({second: 97.0 if second < 17 else 40.0 for second in range(30)}, steady)
    assert said is not None
    assert "used 97 % of one core" in said
    assert "in 7 of 10 steady seconds" in said
    assert find_bottleneck({second: 97.0 if second < 15 else 40.0 for second in range(30)}, steady) is None
    assert find_bottleneck({12: 99.0}, steady) is None
    assert find_bottleneck({}, []) is None


@pytest.mark.parametrize(("received", "ok", "observed"), [(10, True, "20 %"), (8, True, "20 %"), (5, False, "unknown")])
def test_the_controllers_cpu_is_not_judged_by_half_of_its_samples(received: int, ok: bool, observed: str) -> None:
    """The controller's CPU is judged if few of its samples are missing, as when its agent restarts, and not with half of them."""
    log = FitnessLog()
    for _ in range(received):
        log.add_controller(20.0)
    log.expect_controller(10, received)
    (row,) = [row for row in check(ValidityLimits(), log, 1, 1) if row.check == "controller_cpu"]
    assert (row.ok, row.observed) == (ok, observed)
    assert ok or row.message == "controller_cpu is not known: 50 % of the samples of its machine are missing"


def test_what_was_interrupted_is_not_steady() -> None:
    """Seconds between an interruption and its end are not steady, also while the interruption lasts."""
    progress = Progress(LoadSchedule([Stage(users=10, spawn_rate=10.0, hold_s=100.0)]))
    progress.begin(0.0)
    progress.hold_started(1.0)
    before = progress.revision
    assert progress.resume(20.0) is None
    progress.interrupt(30.0)
    progress.interrupt(40.0)  # it is already
    assert progress.revision != before
    assert progress.steady_spans(200.0) == [(1.0, 30.0)]
    assert progress.resume(62.0) == (30.0, 62.0)
    assert progress.steady_spans(200.0) == [(1.0, 30.0), (62.0, 101.0)]
    progress.interrupt(70.0)
    assert progress.steady_spans(80.0) == [(1.0, 30.0), (62.0, 70.0)]


def test_room_is_reckoned_by_what_a_run_has_taken() -> None:
    """The space still needed follows from SQLite's log at first, which stops growing at 4 MB, then from run.db itself."""
    growth = Growth()
    for second in range(1, 11):
        growth.observe(float(second), 4096, 40_000 * second)
    assert growth.recent_growth_bytes() == 40_000
    assert growth.still_needed_bytes(10.0) == 400_000 + REPORT_BYTES
    assert growth.still_needed_bytes(1e6) < 4_200_000 + REPORT_BYTES
    growth.observe(101.0, 4096 + 1_000_000, 4 << 20)
    assert growth.still_needed_bytes(1000.0) == 10_000_000 + REPORT_BYTES


def test_room_for_a_long_run_is_reckoned_with_what_thinning_leaves() -> None:
    """Within the first hour the rest of a day is taken to shrink as it is thinned; later the latest growth is what follows."""
    growth = Growth()
    growth.observe(1.0, 4096, 0)
    growth.observe(1001.0, 4096 + 100_000_000, LOG_BYTES)
    in_full = 100_000.0 * 2599
    assert growth.still_needed_bytes(86_400.0) == pytest.approx(in_full + 0.12 * 100_000 * (86_400 - 2599), rel=0.05)
    for minute in range(60, 120):
        growth.observe(60.0 * minute, 400_000_000 + 600_000 * minute, LOG_BYTES)
    assert growth.still_needed_bytes(36_000.0) == 360_000_000 + REPORT_BYTES
    assert growth.lasts_s(6_000_000) == pytest.approx(600.0)


@pytest.mark.parametrize(("count", "text"), [(348_160, "348 kB"), (8_690_000, "8.69 MB"), (3.4e9, "3.4 GB")])
def test_sizes_are_shown_in_three_digits(count: float, text: str) -> None:
    assert format_bytes(count) == text
