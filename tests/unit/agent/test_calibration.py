"""How rounds become a capacity, which files of capacities are believed, and that no obstacle costs more than a measurement."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_boards import lay_out

from worker.agent import calibration
from worker.agent.calibration import (
    FILE,
    MAX_RETRY_S,
    PI4_UNIT_S,
    ROUND_S,
    ROUNDS,
    TIME_LIMIT_S,
    CachedCapacity,
    Calibration,
    Machine,
    cached_capacity,
    calibrate,
    capacity_from,
    capacity_of,
    measure,
    state_folder,
)
from worker.simulation.boards import BOARDS
from worker.simulation.orders import SimulatedBoard
from worker.simulation.sensors import SimulatedSensors
from worker.simulation.virtual_cores import VirtualCores
from worker.telemetry.sensors import MachineSensors

PI4 = Machine("Raspberry Pi 4 Model B Rev 1.5", 4, "3.13.5", "0.1.0")


@pytest.mark.parametrize(
    ("rounds", "cores", "capacity"),
    [
        pytest.param([1.0, 1.0, 1.0, 1.0, 1.0], 4, 4.0, id="a Pi 4 has its own cores"),
        pytest.param([0.5, 0.5, 0.5, 0.5, 0.5], 4, 8.0, id="who takes half of the time carries twice the load"),
        pytest.param([2.0, 2.1, 2.0, 2.2, 1.9], 4, 2.0, id="the median counts"),
        pytest.param([1.0, 1.0, 9.0, 1.0, 1.0], 1, 1.0, id="one disturbed round does not matter"),
        pytest.param([1.0, 0.1, 9.0, 1.0, 1.0], 1, 1.0, id="nor do two, one to each side"),
        pytest.param([1.0, 1.0, 1.3, 1.0, 1.4], 1, None, id="rounds that differ widely say nothing"),
        pytest.param([1.0, 1.0, 0.6, 1.0, 0.7], 1, None, id="to either side"),
        pytest.param([1.0, 1.0, 1.0, 1.0], 1, None, id="nor do too few"),
        pytest.param([], 1, None, id="or none"),
        pytest.param([0.0] * 5, 1, None, id="nor does a clock that stands"),
        pytest.param([1e9] * 5, 1, None, id="a capacity is never 0"),
    ],
)
def test_rounds_become_a_capacity(rounds: list[float], cores: int, capacity: float | None) -> None:
    """Rounds become a capacity in units of what a core of a Pi 4 takes."""
    assert capacity_from([each * PI4_UNIT_S for each in rounds], cores) == capacity


def kept(machine: Machine = PI4, capacity: float = 3.9) -> bytes:
    return msgspec.json.encode(CachedCapacity(machine, capacity))


def test_what_was_kept_is_believed_of_the_same_machine_alone() -> None:
    """A stored capacity holds for the same machine alone; another board, number of cores, Python or piswarm is another machine."""
    assert cached_capacity(kept(), PI4) == 3.9
    others = {"model": "Raspberry Pi 5 Model B Rev 1.0", "cpu_count": 3, "python": "3.13.6", "piswarm": "0.2.0"}
    for name, value in others.items():
        assert cached_capacity(kept(), msgspec.structs.replace(PI4, **{name: value})) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"3.9",
        kept()[:-1],
        kept() + b"x",
        kept(capacity=0.0),
        kept(capacity=-1.0),
        kept(capacity=1e9),
        kept().replace(b"3.9", b"NaN"),
        kept().replace(b"3.9", b'"3.9"'),
        kept().replace(b"3.9", b"null"),
        kept().replace(b"Raspberry", b"\xff"),
        b"[" * 4096,
    ],
)
def test_a_damaged_file_is_not_believed(content: bytes) -> None:
    """A damaged file of a capacity is not believed, whatever is wrong with it."""
    assert cached_capacity(content, PI4) is None


@given(st.binary())
def test_no_content_breaks_anything(content: bytes) -> None:
    """A file with any content is read without an exception, and garbage is not believed."""
    assert cached_capacity(content, PI4) is None


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/h"}, Path("/var/lib/a")),
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, Path("/s/piswarm")),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, Path("/h/.local/state/piswarm")),
        ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "", "HOME": "/h"}, Path("/h/.local/state/piswarm")),
        ({"HOME": ""}, None),
        ({}, None),
    ],
)
def test_the_state_folder_is_the_services_or_else_the_users(environment: dict[str, str], folder: Path | None) -> None:
    """The state folder is the service's, else the user's; without either nothing is kept."""
    assert state_folder(environment) == folder


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the measurements, each of which finds a Pi 4."""
    count = [0]

    def found() -> list[float]:
        count[0] += 1
        return [PI4_UNIT_S] * ROUNDS

    monkeypatch.setattr(calibration, "measure", found)
    return count


def free() -> bool:
    return False


def test_a_machine_is_measured_once(measured: list[int], tmp_path: Path) -> None:
    """A machine is measured once; the file is readable for its owner alone, and no other file is left beside it."""
    folder = tmp_path / "new" / "state"
    assert [capacity_of(PI4, folder, free) for _ in range(3)] == [4.0] * 3
    assert measured == [1]
    (file,) = folder.iterdir()
    assert file.name == FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cached_capacity(file.read_bytes(), PI4) == 4.0


def test_a_damaged_file_costs_a_measurement_and_is_replaced(measured: list[int], tmp_path: Path) -> None:
    """A damaged file, or one of another machine, costs one measurement and is replaced."""
    for content in (b"\0" * 100_000, kept(msgspec.structs.replace(PI4, cpu_count=2))):
        (tmp_path / FILE).write_bytes(content)
        assert capacity_of(PI4, tmp_path, free) == 4.0
        assert cached_capacity((tmp_path / FILE).read_bytes(), PI4) == 4.0
    assert measured == [2]


def unusable(tmp_path: Path) -> Iterator[Path | None]:
    """Return folders in which nothing can be kept."""
    yield None
    (tmp_path / "file").touch()
    yield tmp_path / "file"
    (tmp_path / "folder" / FILE / "x").mkdir(parents=True)
    yield tmp_path / "folder"
    yield Path("/proc/piswarm")


def test_what_can_not_be_kept_is_measured_each_time(measured: list[int], tmp_path: Path) -> None:
    """A capacity that can't be kept is measured at each start, and reported all the same."""
    for folder in unusable(tmp_path):
        assert [capacity_of(PI4, folder, free) for _ in range(2)] == [4.0] * 2
    assert measured == [8]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [FILE]


def test_a_pipe_in_place_of_the_file_holds_nobody_up(measured: list[int], tmp_path: Path) -> None:
    """A pipe in place of the file of the capacity holds nobody up, although opening one waits for a writer."""
    os.mkfifo(tmp_path / FILE)
    assert capacity_of(PI4, tmp_path, free) == 4.0
    assert measured == [1]
    assert (tmp_path / FILE).is_file()


@pytest.mark.parametrize(("answers", "measurements"), [([True], 0), ([False, True], 1)])
def test_of_a_node_that_is_held_back_nothing_is_said_or_kept(
    answers: list[bool], measurements: int, measured: list[int], tmp_path: Path
) -> None:
    """A node that is throttled before or after the measurement reports and keeps no capacity; one kept before still holds."""
    left = iter(answers)
    assert capacity_of(PI4, tmp_path, lambda: next(left)) is None
    assert measured == [measurements]
    assert not list(tmp_path.iterdir())
    (tmp_path / FILE).write_bytes(kept())
    assert capacity_of(PI4, tmp_path, lambda: True) == 3.9


@pytest.mark.parametrize(("board", "held_back"), [("3b-plus", True), ("5", False)])
def test_a_boards_own_firmware_is_asked_whether_it_is_held_back(
    board: str, held_back: bool, measured: list[int], tmp_path: Path
) -> None:
    """Whether a board is throttled is read by the same probes as its samples; a soft temperature limit counts."""
    machine = MachineSensors(lay_out(board, tmp_path / "root"))
    assert machine.facts().capacity is None
    calibrate(machine, tmp_path / "state")
    machine.close()
    facts = machine.facts()
    assert facts.capacity == (None if held_back else facts.cpu_count)
    assert (tmp_path / "state").exists() == bool(measured[0]) == (not held_back)


@pytest.mark.parametrize(("board", "capacity"), [("pi4", 4.0), ("pi5", 8.0), ("zero2w", 16 / 9)])
def test_a_simulated_nodes_capacity_is_its_boards(board: str, capacity: float) -> None:
    """A simulated node has its board's capacity and measures nothing, since all simulated nodes share this machine."""
    cores = VirtualCores(BOARDS[board].cores, 0.0)
    sensors = SimulatedSensors(SimulatedBoard(board, "bare", 24.0), load=cores, memory_bytes=lambda: 0)
    assert sensors.facts().capacity == pytest.approx(capacity)


def test_a_disturbed_measurement_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A measurement that was disturbed is neither kept nor reported."""
    monkeypatch.setattr(calibration, "measure", lambda: [PI4_UNIT_S * each for each in range(1, 6)])
    assert capacity_of(PI4, tmp_path, free) is None
    assert not list(tmp_path.iterdir())


def test_the_work_is_measured_for_as_much_cpu_time_as_it_is_to_take() -> None:
    """The calibration measures for its CPU time, here with clocks moved by hand: 1 ms each time the CPU clock is asked."""
    asked = [0]

    def cpu_clock() -> float:
        asked[0] += 1
        return asked[0] / 1000

    rounds_s = measure(clock=lambda: 0.0, cpu_clock=cpu_clock)
    # The first of 51 answers begins a round, and each of the others ends a batch of 20 units.
    assert rounds_s == pytest.approx([ROUND_S / (20 * 50)] * ROUNDS)


def test_a_measurement_whose_time_is_up_is_given_up() -> None:
    """A measurement is given up at its time limit, as when it gets only a tenth of a core."""
    now = [0.0]

    def clock() -> float:
        now[0] += TIME_LIMIT_S / 100
        return now[0]

    assert measure(clock=clock, cpu_clock=lambda: now[0] / 10) == []
    assert now[0] == pytest.approx(TIME_LIMIT_S, rel=0.1)


def test_the_real_work_takes_time() -> None:
    """Every round of the real work takes some time below a second, however fast or busy this machine is."""
    assert all(0 < each_s < 1 for each_s in measure())


def test_what_was_not_found_out_is_tried_again_further_and_further_apart() -> None:
    """A measurement that failed is tried again at growing intervals until it succeeds, and no more from then on."""
    tries: list[float] = []
    now_s = 5.0

    def try_it() -> bool:
        tries.append(now_s)
        return len(tries) == 4

    calibration = Calibration(try_it, now_s)
    for second in range(6, 4000):
        now_s = float(second)
        calibration.poll(now_s)
    assert tries == [5, 65, 185, 425]
    never = Calibration(lambda: bool(tries.append(now_s)), 0.0)
    tries.clear()
    for second in range(0, 60_000, 10):
        now_s = float(second)
        never.poll(now_s)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == MAX_RETRY_S
