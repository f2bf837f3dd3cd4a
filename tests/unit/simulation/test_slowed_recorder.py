"""Users of a simulated node wait when its board could not keep up, and the wait shows in the node's lag."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from worker.load.histogram import Histogram
from worker.load.loop_lag import KEPT_SECONDS, PROBES_PER_SECOND, LagSecond
from worker.simulation.orders import SimulatedBoard
from worker.simulation.shares import ENOUGH_REQUESTS, Shares
from worker.simulation.slowed_recorder import MIN_WAIT_S, SlowedLag, SlowedRecorder, _with_waits
from worker.simulation.virtual_cores import VirtualCores
from worker.wire.reports import Report

START_S = 1000.0


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = START_S

    def __call__(self) -> float:
        return self.now_s


class Process:
    """The process of the simulated nodes: its loop is always 2 ms late, and it uses a tenth of a core."""

    cpu_percent: float | None = 10.0

    def __init__(self) -> None:
        self.carried: list[tuple[float, float, float]] = []

    def carry(self, since_s: float, now_s: float, min_ms: float) -> None:
        self.carried.append((since_s, now_s, min_ms))

    def second(self, second: int) -> LagSecond:
        del second
        lag = LagSecond()
        for _ in range(PROBES_PER_SECOND):
            lag.histogram.add(2.0)
        lag.cpu_percent = self.cpu_percent
        return lag


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cores() -> VirtualCores:
    made = VirtualCores(4, START_S)
    made.request_s = 0.1
    return made


@pytest.fixture
def recorder(clock: Clock, cores: VirtualCores) -> SlowedRecorder:
    return SlowedRecorder(Process(), cores, clock)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[float]:
    """The seconds that greenlets were told to sleep, which pass at once."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now_s += seconds

    monkeypatch.setattr(gevent, "sleep", sleep)
    return slept


def latencies_ms(report: Report) -> Histogram:
    whole = Histogram()
    for second in report.seconds:
        for entry in second.endpoints:
            whole.merge(Histogram(entry.buckets, entry.max_ms))
    return whole


def test_nothing_is_slowed_while_a_core_is_free(recorder: SlowedRecorder, slept: list[float]) -> None:
    """Requests that find a core free are counted as measured, with the lag of the process."""
    for _ in range(4):
        recorder.record("GET", "/", 5.0, 10)
    report = recorder.make_report({}, final=True)
    assert slept == []
    assert latencies_ms(report).percentiles((0, 100)) == pytest.approx([5.0, 5.0], rel=0.01)
    assert report.seconds[0].lag_max_ms == 2.0
    assert recorder.requests_total == 4


def test_a_request_that_finds_no_core_free_makes_its_user_wait_as_on_a_pi(
    recorder: SlowedRecorder, slept: list[float], clock: Clock
) -> None:
    """A user whose request finds no core free waits for one and for the work; its wait is lag, and the latency stays as
    measured.
    """
    for _ in range(5):
        recorder.record("GET", "/", 5.0, 10)
    assert slept == pytest.approx([0.2])
    assert clock.now_s == pytest.approx(START_S + 0.2)
    report = recorder.make_report({}, final=True)
    assert latencies_ms(report).percentiles((0, 100)) == pytest.approx([5.0, 5.0], rel=0.01)
    (second,) = report.seconds
    assert second.lag_max_ms == pytest.approx(100)
    assert sum(second.lag_buckets.values()) == PROBES_PER_SECOND


def test_a_wait_that_nobody_would_notice_is_none(recorder: SlowedRecorder, slept: list[float], clock: Clock) -> None:
    """A wait below a millisecond is no wait."""
    for _ in range(4):
        recorder.record("GET", "/", 5.0, 10)
    clock.now_s += 0.1 - MIN_WAIT_S / 2
    recorder.record("GET", "/", 5.0, 10)
    assert slept == []
    assert recorder.make_report({}, final=True).seconds[0].lag_max_ms == 2.0


def test_it_counts_in_the_second_in_which_it_ended(recorder: SlowedRecorder, slept: list[float], clock: Clock) -> None:
    """A request counts in the second in which it ended, and not in that in which its user goes on."""
    clock.now_s += 0.95
    for _ in range(4):
        recorder.record("GET", "/", 5.0, 10, None, clock.now_s)
    recorder.record("GET", "/", 5.0, 10, "no", clock.now_s)
    assert slept
    report = recorder.make_report({}, final=True)
    ended = [(row.second, entry.total, entry.failed) for row in report.seconds for entry in row.endpoints]
    assert ended == [(1000, 5, 1)]
    assert report.seconds[0].lag_max_ms == pytest.approx(100)


def test_a_user_who_is_ended_while_it_waits_has_its_request_counted(
    recorder: SlowedRecorder, cores: VirtualCores
) -> None:
    """A request of a user who is ended while it waits is counted, since the target has counted it too."""
    cores.request_s = 60.0
    begun = Event()

    def use() -> None:
        for number in range(5):
            if number == 4:
                begun.set()
            recorder.record("GET", "/", 5.0, 10)
        raise AssertionError("it did not wait")

    user = gevent.spawn(use)
    assert begun.wait(5)
    gevent.sleep(0)
    user.kill(timeout=5)
    assert recorder.requests_total == 5


def test_the_event_loop_itself_never_waits(recorder: SlowedRecorder, cores: VirtualCores) -> None:
    """A callback of the event loop never waits, and its request counts with the lag that it would have had."""
    cores.request_s = 60.0
    done = Event()

    def call() -> None:
        for _ in range(5):
            recorder.record("GET", "/", 5.0, 10)
        done.set()

    gevent.get_hub().loop.run_callback(call)
    assert done.wait(5)
    assert recorder.requests_total == 5
    assert recorder.make_report({}, final=True).seconds[0].lag_max_ms == pytest.approx(60_000)


@pytest.mark.parametrize(
    ("process_percent", "requests", "percent"), [(10.0, 0, 10.0), (10.0, 10, 25.0), (80.0, 10, 80.0), (None, 10, None)]
)
def test_a_worker_is_as_busy_as_its_process_or_the_core_that_it_would_have(
    cores: VirtualCores, process_percent: float | None, requests: int, percent: float | None
) -> None:
    """A worker's CPU is that of its process or of its virtual cores, whichever is higher."""
    process = Process()
    process.cpu_percent = process_percent
    for number in range(requests):
        cores.charge(START_S + 0.05 * number)
    cores.end_second(START_S + 1)
    found = SlowedLag(process, cores).second(int(START_S)).cpu_percent
    assert found == (None if percent is None else pytest.approx(percent))


def test_lag_has_the_longest_wait_of_each_probe_and_no_more_probes_than_a_loop(cores: VirtualCores) -> None:
    """A node's longest waits replace the process's shortest probes, so that a second has no more probes than those of a loop."""
    lag = SlowedLag(Process(), cores)
    for number in range(1000):
        lag.note(START_S + number / 2000, 0.001 * (number % 100))
    histogram = lag.second(1000).histogram
    assert histogram.count == PROBES_PER_SECOND
    assert histogram.max_ms == pytest.approx(99)
    assert histogram.percentile(50) == pytest.approx(2, rel=0.02)
    assert lag.second(1001).histogram.max_ms == 2.0
    for second in range(1000, 1000 + 2 * KEPT_SECONDS):
        lag.note(second, 0.05)
    assert len(lag._waits_ms) == KEPT_SECONDS


def test_waits_take_the_place_of_the_shortest_probes() -> None:
    """Waits replace the shortest probes, so that a stall of the process stays visible, and are all probes if there were none."""
    lag = Histogram()
    for late_ms in (0.1, 0.1, 0.2, 500.0):
        lag.add(late_ms)
    found = _with_waits(lag, [50.0, 60.0])
    assert found.percentiles((25, 50, 75, 100)) == pytest.approx([0.2, 50, 60, 500], rel=0.01)
    assert lag.count == 4
    assert _with_waits(Histogram(), [50.0]).percentiles((0, 100)) == pytest.approx([50, 50], rel=0.01)


def busy_s(cores: VirtualCores) -> float:
    return cores.busy_s(START_S + 1000)


def test_all_cpu_of_the_process_is_charged_to_its_nodes_scaled_to_their_boards() -> None:
    """A process's CPU is charged to its nodes by requests, one more a second than each has made, and scaled to their boards."""
    shares, made = Shares(), {}
    for board in ("pi4", "pi5"):
        cores = VirtualCores(4, START_S)
        recorder = SlowedRecorder(Process(), cores, Clock())
        shares.add(recorder, cores, SimulatedBoard(board, "bare", 24.0))
        made[board] = recorder, cores
    for second in range(1, 4):
        for _ in range(ENOUGH_REQUESTS - 2):
            made["pi4"][0].record("GET", "/", 5.0, 10, None, START_S + second)
        shares.charge(0.1, START_S + second)
    assert busy_s(made["pi4"][1]) == pytest.approx(3 * 4.0 * 0.1 * 19 / 20)
    assert busy_s(made["pi5"][1]) == pytest.approx(3 * 2.0 * 0.1 * 1 / 20)


def test_a_request_costs_what_it_has_cost_lately() -> None:
    """The cost of a request follows its latest cost on the node's board, once enough requests have been seen."""
    shares, cores = Shares(), VirtualCores(4, START_S)
    recorder = SlowedRecorder(Process(), cores, Clock())
    shares.add(recorder, cores, SimulatedBoard("pi4", "bare", 24.0))
    recorder.record("GET", "/", 5.0, 10)
    shares.charge(1.0, START_S + 1)
    assert cores.request_s == 0
    for second in range(50):
        for number in range(99):
            recorder.record("GET", "/", 5.0, 10, None, START_S + 2 + second + number / 100)
        shares.charge(0.1 if second < 5 else 0.2, START_S + 3 + second)
        if second == 4:
            assert cores.request_s == pytest.approx(4.0 * 0.001)
    assert cores.request_s == pytest.approx(4.0 * 0.002, rel=0.01)


def test_a_scenario_may_say_what_a_request_costs() -> None:
    """The cost of a request given by the scenario is that on a Pi 4; on a Pi 5 it is half, on a Zero more than twice."""
    found = {}
    for board in ("pi4", "pi5", "zero2w"):
        shares, cores = Shares(), VirtualCores(4, START_S)
        recorder = SlowedRecorder(Process(), cores, Clock())
        shares.add(recorder, cores, SimulatedBoard(board, "bare", 24.0, request_cpu_s=0.02))
        for _ in range(100):
            cores.charge(START_S)
        shares.charge(0.0, START_S + 1)
        found[board] = cores.request_s
        assert busy_s(cores) == pytest.approx(100 * cores.request_s)
    assert found == pytest.approx({"pi4": 0.02, "pi5": 0.01, "zero2w": 0.045})


def test_a_wait_counts_again_where_users_are_still_behind_for_it(cores: VirtualCores) -> None:
    """A wait counts again in a second in which users are still behind for it, unless it is too short to matter."""
    process = Process()
    lag = SlowedLag(process, cores)
    lag.note(START_S + 1.5, 0.3)
    lag.carry(START_S + 1, START_S + 3.2, min_ms=400)
    lag.carry(START_S, START_S + 4.2, min_ms=100)
    lag.carry(START_S + 5, START_S + 5.2, min_ms=100)
    assert [lag.second(int(START_S) + second).histogram.max_ms for second in range(1, 6)] == [300, 2, 2, 300, 2]
    assert len(process.carried) == 3
