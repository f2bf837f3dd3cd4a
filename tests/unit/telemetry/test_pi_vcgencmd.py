"""The program vcgencmd: what its output means, and that no agent ever waits for it, with real programs that hang or fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_boards import BOARDS, DATA, install_vcgencmd, said_by_vcgencmd, script_for

from worker.telemetry.conditions import THROTTLED, UNDER_VOLTAGE, pack_flags
from worker.telemetry.pi.firmware import Firmware, ProbeError
from worker.telemetry.pi.vcgencmd import POLL_INTERVAL_S, TIMEOUT_S, Vcgencmd, parse_clock, parse_throttled

DEADLINE_S = 20.0
SAID = {"get_throttled": "throttled=0x50004\n", "measure_clock arm": "frequency(48)=1000212864\n"}
FOUND = Firmware(pack_flags(THROTTLED), THROTTLED | UNDER_VOLTAGE, 1_000_212_864.0)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Vcgencmd]]:
    started: list[Vcgencmd] = []

    def start_one(script: str) -> Vcgencmd:
        started.append(Vcgencmd(install_vcgencmd(tmp_path, script)))
        return started[-1]

    yield start_one
    for each in started:
        each.close()
        for process in each._killed:
            process.wait()


def answer(probe: Vcgencmd, now_s: float) -> Firmware:
    """Return what the probe reads once the program has answered, with the clock held still."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        found = probe.read(now_s)
        if found is not None and not probe._running:
            return found
        time.sleep(0.005)
    raise AssertionError("no answer came")


def end_of(probe: Vcgencmd) -> None:
    """Wait until the programs that the probe has started have ended."""
    for process in probe._running:
        process.wait(DEADLINE_S)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("throttled=0x0\n", 0),
        ("throttled=0x50005\n", 0x50005),
        ("throttled=0xE0008", 0xE0008),
        ("throttled=0x\n", None),
        ("throttled=50005\n", None),
        ("throttled=0x123456789\n", None),
        ('error=1 error_msg="Command not registered"\n', None),
        ("VCHI initialization failed\n", None),
        ("", None),
    ],
)
def test_throttled_is_read_as_it_is_written(text: str, value: int | None) -> None:
    """Throttling flags are parsed as vcgencmd prints them, and anything else is no answer."""
    assert parse_throttled(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("frequency(45)=1400000000\n", 1.4e9),
        ("frequency(0)=2400023552", 2400023552.0),
        ("frequency(0)=0\n", None),
        ("frequency(48)=-1\n", None),
        ("frequency(48)=99999999999\n", None),
        ('error=2 error_msg="Invalid arguments"\n', None),
        ("", None),
    ],
)
def test_a_clock_is_read_as_it_is_written(text: str, value: float | None) -> None:
    """A clock is parsed by any number that vcgencmd gives it, and a clock that stands still is no value."""
    assert parse_clock(text) == value


@given(st.text())
def test_garbage_says_nothing(text: str) -> None:
    """Any text as output raises nothing and gives no negative value."""
    for parsed in (parse_throttled(text), parse_clock(text)):
        assert parsed is None or parsed >= 0


@pytest.mark.parametrize("board", [board for board in BOARDS if (DATA / board / "vcgencmd.txt").exists()])
def test_every_board_is_understood(board: str) -> None:
    """The recorded outputs of every board are parsed."""
    said = said_by_vcgencmd(board)
    assert parse_throttled(said["get_throttled"]) is not None
    assert parse_clock(said["measure_clock arm"]) is not None


def test_its_answer_comes_later_and_is_not_waited_for(start: Callable[[str], Vcgencmd]) -> None:
    """The first reading starts the program and does not wait for its answer, which a later reading has."""
    probe = start(script_for(SAID))
    assert probe.read(0.0) is None
    assert answer(probe, 0.0) == FOUND


def test_it_is_asked_anew_only_after_a_while(start: Callable[[str], Vcgencmd], tmp_path: Path) -> None:
    """The program is asked again only after an interval, and its former answer holds until the new one is there."""
    probe = start(script_for(SAID))
    answer(probe, 0.0)
    install_vcgencmd(tmp_path, script_for({**SAID, "get_throttled": "throttled=0x0\n"}))
    assert probe.read(POLL_INTERVAL_S - 0.1) == FOUND
    assert not probe._running
    assert probe.read(POLL_INTERVAL_S) == FOUND
    end_of(probe)
    assert probe.read(POLL_INTERVAL_S + 1) == Firmware(pack_flags(0), 0, FOUND.clock_hz)


def test_a_program_that_hangs_delays_nobody_and_is_killed(start: Callable[[str], Vcgencmd]) -> None:
    """A program that hangs delays no reading and is killed, and its former answer is not returned in place of a new one."""
    probe = start(script_for(SAID))
    answer(probe, 0.0)
    install_vcgencmd(probe._paths[0].parents[2], "exec sleep 1000")
    began_s = time.monotonic()
    probe.read(10.0)
    hanging = [psutil.Process(process.pid) for process in probe._running]
    probe.read(10.0 + TIMEOUT_S - 0.1)
    with pytest.raises(ProbeError, match="no answer within 2 s"):
        probe.read(10.0 + TIMEOUT_S)
    assert time.monotonic() - began_s < 10  # nowhere near the time that it sleeps
    assert len(hanging) == 2
    assert not psutil.wait_procs(hanging, DEADLINE_S)[1]
    assert probe.read(10.0 + TIMEOUT_S + 0.1) is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        pytest.param("echo VCHI initialization failed", "VCHI initialization failed", id="no right to ask"),
        pytest.param("exit 1", "no output", id="no word"),
        pytest.param("printf '\\377\\376'", "�", id="no text"),
        pytest.param("exec sleep 0 >&-", "no output", id="its output closed"),
    ],
)
def test_a_program_that_errs_has_not_answered(start: Callable[[str], Vcgencmd], script: str, why: str) -> None:
    """A program that fails is an error with what it printed."""
    probe = start(script)
    assert probe.read(0.0) is None
    end_of(probe)
    with pytest.raises(ProbeError, match=why):
        probe.read(0.1)


def test_who_holds_its_output_open_is_not_waited_for(start: Callable[[str], Vcgencmd], tmp_path: Path) -> None:
    """A process that a program leaves behind with its output open is not waited for."""
    pid_file = tmp_path / "pid"
    probe = start(f"sleep 1000 & echo $! >> {pid_file}\nexit 0")
    probe.read(0.0)
    end_of(probe)
    try:
        with pytest.raises(ProbeError, match="no output"):
            probe.read(0.1)
    finally:
        for pid in pid_file.read_text().split():
            psutil.Process(int(pid)).kill()


def test_where_it_is_not_installed_it_says_so(tmp_path: Path) -> None:
    """A program that is missing, or can't be run, is an error that says so."""
    missing = Vcgencmd(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ProbeError, match="not installed"):
        missing.read(0.0)
    program = install_vcgencmd(tmp_path, "")
    program.chmod(0o644)
    with pytest.raises(ProbeError, match="Permission denied"):
        Vcgencmd(program).read(0.0)
