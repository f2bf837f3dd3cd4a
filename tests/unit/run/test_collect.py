"""What the controller collects from the fleet: late reports, acknowledgements, fitness, and which seconds can end a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from collected_run import FACTS, HEALTHY, START_S, USERS, collected_scenario, join, sample, set_clock
from msgspec.structs import replace

from master.fleet.clocks import ClockMap
from master.fleet.registry import Registry
from master.fleet.reports.checks import SECOND_TWICE
from master.judge.interim import INTERIM_KEY, Interim
from master.judge.seconds.unfit import MAX_PROBES
from master.run.checkpoint import read_checkpoint
from master.run.collect.collector import Collector
from master.run.collect.latest_seconds import CLOSED_AFTER_S
from master.run.collect.resume import resume_fitness
from master.scenario import Stage
from master.store import CHECKPOINT_KEY, Store
from worker.load.histogram import Histogram
from worker.telemetry.conditions import THROTTLED, UNDER_VOLTAGE, UNKNOWN, pack_flags
from worker.wire.messages import ClockReply, Hello, Ready
from worker.wire.reports import EndpointSecond, Report, Unanswered, WorkerSecond


class Run:
    """A collector for one node, whose clock is the controller's, at a time that the test sets."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, *rules: str) -> None:
        self.now_s = float(START_S)
        self.told: list[tuple[str, int]] = []
        set_clock(monkeypatch, lambda: self.now_s)
        scenario = collected_scenario(1, [Stage(users=USERS, spawn_rate=10, hold_s=60)], rules)
        self.store = Store(path, create=True)
        self.collector = Collector(self.store, Registry(["pi1"]), scenario, send=lambda _node, _message: None)
        self.collector.begin()
        join(self.collector, "pi1", START_S)
        self._number = 0
        self.incarnation = 1

    def answered(self, second: int, latency_ms: float) -> None:
        """Let the worker report one request of a second of the run."""
        histogram = Histogram()
        histogram.add(latency_ms)
        entry = EndpointSecond("GET", "/x", 1, 0, 0, latency_ms, histogram.buckets)
        row = WorkerSecond(START_S + second, 10.0, 1.0, {1: 20}, [entry], users=10)
        self._number += 1
        self.collector.on_report(
            "pi1_0", Report(self.incarnation, self._number, 0, self.now_s, {"ApiUser": 10}, [row], [])
        )

    def tick(self, offset_s: float) -> None:
        self.now_s = START_S + offset_s
        self.collector.tick(10, lambda worker, number: self.told.append((worker, number)))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    run = Run(tmp_path / "run.db", monkeypatch, "GET /x max < 100 ms over 2s, abort")
    yield run
    run.store.close()


def test_a_report_that_comes_after_its_second_was_judged_is_kept_and_troubles_nobody(run: Run) -> None:
    """A stalled worker's late report of a judged second is stored, and the second leaves a rule's window as it entered it."""
    run.collector.progress.hold_started(0)
    for second in range(10):
        run.now_s = START_S + second + 1
        run.answered(second, 5.0)
        run.tick(second + 1)
    run.answered(9 - CLOSED_AFTER_S, 7.0)
    for offset_s in range(11, 30):
        run.tick(offset_s)
    assert run.collector.broken_rule is None
    assert sum(tally.total for _, _, tally, *_ in run.store.requests()) == 11


@pytest.mark.parametrize(("hold_from_s", "fit", "ends"), [(0, True, True), (9, True, False), (0, False, False)])
def test_only_steady_seconds_of_fit_nodes_can_end_a_run(run: Run, hold_from_s: float, fit: bool, ends: bool) -> None:
    """A slow response in a ramp, or of a node without a sample, ends no run; one in a steady second of a fit node does."""
    for second in range(10):
        run.now_s = START_S + second + 0.5
        if fit:
            run.collector.on_agent("pi1", sample(second, run.now_s, run.now_s))
        run.now_s = START_S + second + 1
        if second == hold_from_s:
            run.collector.progress.hold_started(hold_from_s)
        run.answered(second, 500.0 if second < 8 else 5.0)
        run.tick(second + 1)
    for offset_s in range(11, 20):
        run.tick(offset_s)
    assert (run.collector.broken_rule is not None) is ends


def test_the_rule_that_ends_a_run_is_known_to_who_takes_it_over(run: Run) -> None:
    """The rule that ends a run is in the checkpoint with its value at that time, since later seconds may hold it again."""
    run.collector.progress.hold_started(0)
    for second in range(12):
        run.now_s = START_S + second + 0.5
        run.collector.on_agent("pi1", sample(second, run.now_s, run.now_s))
        run.now_s = START_S + second + 1
        run.answered(second, 500.0)
        run.tick(second + 1)
    broken = run.collector.broken_rule
    assert broken is not None
    checkpoint = read_checkpoint(run.store.meta(CHECKPOINT_KEY), Path("run"))
    assert checkpoint.broken_rule == broken


def test_how_the_run_stands_is_kept_for_who_watches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold that is broken and ends no run is told, as observed so far, in run.db each second."""
    run = Run(tmp_path / "run.db", monkeypatch, "GET /x max < 100 ms", "GET /rare max < 100 ms")
    run.collector.progress.hold_started(0)
    for second in range(8):
        run.now_s = START_S + second + 0.5
        run.collector.on_agent("pi1", sample(second, run.now_s, run.now_s))
        run.now_s = START_S + second + 1
        run.answered(second, 500.0)
        run.tick(second + 1)
    kept = msgspec.convert(run.store.meta(INTERIM_KEY), Interim)
    run.store.close()
    assert (kept, run.collector.broken_rule) == (run.collector.interim, None)
    assert [(row.rule, row.ok) for row in kept.thresholds] == [
        ("GET /x max < 100 ms", False),
        ("GET /rare max < 100 ms", None),
    ]
    assert (kept.before_s, kept.verdict) == (4, "FAIL")
    assert kept.reason == "GET /x max < 100 ms (500 ms)"


def test_workers_are_told_what_is_kept_and_what_comes_again_is_not_counted_again(run: Run) -> None:
    """A report is acknowledged once it is committed, and one that comes again is acknowledged and not counted again."""
    run.answered(0, 5.0)
    assert run.told == []
    run.tick(1)
    assert run.told == [("pi1_0", 1)]
    run._number = 0  # the worker has not heard it
    run.answered(0, 5.0)
    run.tick(2)
    assert run.told == [("pi1_0", 1)] * 2
    assert run.collector.dropped == {"a report that came again": 1}
    assert sum(tally.total for _, _, tally, *_ in run.store.requests()) == 1
    assert run.store.reports() == {"pi1_0": (1, 1)}


def test_a_report_ahead_of_a_lost_one_waits_for_it(run: Run) -> None:
    """A report ahead of a lost one is dropped until that comes, since its acknowledgement would discard the lost one."""
    run._number = 1
    run.answered(1, 5.0)
    run.tick(2)
    assert run.told == [("pi1_0", 0)]
    run._number = 0
    run.answered(0, 5.0)
    run.answered(1, 5.0)
    run.tick(3)
    assert run.told[-1] == ("pi1_0", 2)
    assert run.collector.dropped == {"a report ahead of a lost one": 1}
    assert [second for second, *_ in run.store.requests()] == [0, 1]


def test_a_worker_that_was_started_anew_counts_its_reports_from_one(run: Run) -> None:
    """The reports of a restarted worker count from one, and the unreported data of its earlier incarnation are known to be missing."""
    run.answered(0, 5.0)
    assert run.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 1, 2, "run")) == 1
    assert run.collector.report_acks.unreported == []
    assert run.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 2, 1, "run")) == 0
    assert run.collector.report_acks.unreported == ["pi1_0"]
    run.incarnation, run._number = 2, 0
    run.answered(1, 5.0)
    run.tick(2)
    assert sum(tally.total for _, _, tally, *_ in run.store.requests()) == 2


def test_a_worker_that_ended_without_any_report_is_known_to_a_resumed_run(run: Run) -> None:
    """A worker that joined and was ended before its first report is named as unreported when another incarnation joins."""
    run.tick(1)
    scenario = collected_scenario(1, [Stage(users=USERS, spawn_rate=10, hold_s=60)], [])
    earlier = read_checkpoint(run.store.meta(CHECKPOINT_KEY), Path("run"))
    for incarnation, unreported in ((1, []), (2, ["pi1_0"])):
        resumed = Collector(run.store, Registry(["pi1"]), scenario, send=lambda _node, _message: None, earlier=earlier)
        assert resumed.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", incarnation, 1, "run")) == 0
        assert resumed.report_acks.unreported == unreported
    assert run.told == []


def test_a_report_of_an_earlier_life_is_not_taken_for_one_of_the_latest(run: Run) -> None:
    """A late report of a worker's earlier incarnation is dropped, since its acknowledgement would discard one of the new incarnation."""
    run.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 2, 1, "run"))
    run.answered(0, 5.0)
    run.tick(1)
    assert run.told == []
    assert run.collector.dropped == {"a report of an earlier incarnation": 1}
    run.incarnation, run._number = 2, 0
    run.answered(1, 5.0)
    run.tick(2)
    assert run.told == [("pi1_0", 1)]


def test_a_worker_is_told_of_no_report_that_is_not_committed(run: Run) -> None:
    """A worker is acknowledged no report that is not committed, since a controller that dies now would not have it."""
    run.answered(0, 5.0)
    assert run.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 1, 1, "run")) == 0
    run.tick(1)
    assert run.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 1, 1, "run")) == 1


def test_no_node_counts_for_more_than_the_others(run: Run) -> None:
    """Samples out of turn are dropped, a repeated second counts once, and one with too many probes is unfit, so all
    nodes count alike.
    """
    run.collector.progress.hold_started(0)
    for number in range(100):
        run.now_s = START_S + 5
        run.collector.on_agent("pi1", sample(number, START_S + 4, run.now_s))
        run.collector.on_agent("pi1", sample(number, START_S + 10 + number * 1000, run.now_s))
    run.collector.on_agent("pi1", sample(1, START_S + 5, run.now_s))
    assert run.collector.fitness.node_cpu["pi1"].bins[100] == 2
    assert run.collector.dropped == {"a sample out of turn": 199}
    row = WorkerSecond(
        START_S + 3, 10.0, 0.001, {1: MAX_PROBES + 1}, [EndpointSecond("GET", "/x", 7, 0, 0, 1.0, {1: 7})]
    )
    run.collector.on_report("pi1_0", Report(1, 1, 0, run.now_s, {}, [row, row], []))
    assert run.collector.fitness.lag["pi1"].count == 0
    assert (run.collector.fitness.requests_fit, run.collector.fitness.requests_unfit) == (0, 7)
    assert run.collector.dropped[SECOND_TWICE] == 1
    run.tick(6)
    (found,) = run.store.fitness()
    assert found.unfit == "loop lag not credible"


def test_the_lag_that_requests_have_met_is_known_to_who_takes_the_run_over_too(run: Run) -> None:
    """The lag met by requests that a worker's own clock ended is weighted by their number, also after the run is resumed."""
    run.collector.progress.hold_started(0)
    run.tick(0)
    for second in range(3, 6):
        run.now_s = START_S + second + 0.9
        run.collector.on_agent("pi1", sample(second, START_S + second, run.now_s))
        entries = [
            EndpointSecond("GET", "/x", 7, 0, 0, 1.0, {1: 7}, 5),
            EndpointSecond("GET", "/y", 2, 0, 0, 1.0, {1: 2}),
        ]
        row = WorkerSecond(START_S + second, 10.0, 1.0, {1: 15, 9: 5}, entries)
        run.collector.on_report("pi1_0", Report(1, second - 2, 0, run.now_s, {}, [row], []))
    run.tick(7)
    recalled, _ = resume_fitness(run.store, run.collector.timeline.steady)
    for fitness in (run.collector.fitness, recalled):
        assert {node: (lag.requests, dict(lag.buckets)) for node, lag in fitness.lag_by_request.items()} == {
            "pi1": (15, {1: 11.25, 9: 3.75})
        }
    assert sum(tally.userspace_timed for _, _, tally, *_ in run.store.requests()) == 15


def test_a_restarted_nodes_reports_wait_for_its_new_clock(run: Run) -> None:
    """A restarted node's reports wait for its new clock, as by the former offset they would belong to seconds long past."""
    run.now_s = START_S + 100
    run.collector.on_agent("pi1", Hello(FACTS))
    run.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 2, 1, "run"))
    row = WorkerSecond(9, 10.0, 1.0, {1: 20}, [EndpointSecond("GET", "/x", 1, 0, 0, 1.0, {1: 1})])
    run.collector.on_report("pi1_0", Report(2, 1, 0, 10.0, {}, [row], []))
    run.tick(100)
    assert run.told == []
    run.collector.on_agent("pi1", ClockReply(START_S + 100, 10.0, START_S))
    run.tick(101)
    assert [second for second, *_ in run.store.requests()] == [99]


def test_a_write_that_fails_is_not_done_twice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed write, the rows written before it are written once."""
    run.now_s = START_S + 3
    for second in range(3):
        run.answered(second, 5.0)
    add, calls = run.store.add_requests, []

    def add_requests(*args: Any, **kwargs: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise sqlite3.OperationalError("database is locked")
        add(*args, **kwargs)

    monkeypatch.setattr(run.store, "add_requests", add_requests)
    with pytest.raises(sqlite3.OperationalError):
        run.tick(4)
    run.tick(5)
    assert [(second, tally.total) for second, _, tally, *_ in run.store.requests()] == [(0, 1), (1, 1), (2, 1)]


def test_a_report_of_a_node_whose_clock_is_not_known_waits_for_it(run: Run) -> None:
    """A report of a node whose clock is unknown waits for it, since one kept while no controller ran belongs to another second."""
    run.collector._registry.nodes["pi1"].clock = ClockMap()
    run.now_s = START_S + 30
    run.answered(3, 5.0)
    run.tick(30)
    assert run.told == []
    run.collector.on_agent("pi1", ClockReply(START_S + 30, START_S + 30, 0))
    run.tick(31)
    assert run.told == [("pi1_0", 1)]
    assert [second for second, *_ in run.store.requests()] == [3]


@pytest.mark.parametrize(
    ("model", "conditions", "unfit"),
    [
        ("Raspberry Pi 4 Model B", pack_flags(THROTTLED), "throttled"),
        ("Raspberry Pi 4 Model B", pack_flags(UNDER_VOLTAGE), "under-voltage"),
        ("Raspberry Pi 4 Model B", UNKNOWN, "throttling unknown"),
        ("Raspberry Pi 4 Model B", pack_flags(0), ""),
        ("a server", UNKNOWN, ""),
    ],
)
def test_what_a_node_measured_while_it_was_held_back_is_set_apart(
    run: Run, model: str, conditions: int, unfit: str
) -> None:
    """Requests of a second in which their node was throttled are excluded, and those of no other second."""
    run.collector.on_agent("pi1", Hello(replace(FACTS, model=model)))
    run.collector.on_agent("pi1", ClockReply(START_S, START_S, START_S))
    run.collector.progress.hold_started(0)
    for second in range(9):
        run.now_s = START_S + second + 0.5
        now_s = START_S + second + 0.5
        told = conditions if second == 4 else HEALTHY
        run.collector.on_agent("pi1", sample(second, now_s, now_s, conditions=told))
        run.now_s = START_S + second + 1
        run.answered(second, 5.0)
        run.tick(second + 1)
    expected = {second: unfit if second == 4 else "" for second in range(9)}
    if model == "a server":
        expected = dict.fromkeys(range(9), "")
    rows = list(run.store.fitness())
    assert {row.second: row.unfit for row in rows} == expected
    assert {row.users for row in rows} == {10}
    assert [second for second, _, _, fit, _ in run.store.requests() if not fit] == ([4] if unfit else [])
    if unfit:
        assert (run.collector.fitness.requests_unfit, run.collector.fitness.requests_fit) == (1, 7)


def test_a_second_without_a_sample_of_its_node_is_set_apart(run: Run) -> None:
    """Requests of a second without a sample of their node are excluded, since the node's condition is unknown."""
    run.collector.progress.hold_started(0)
    for second in range(3):
        run.now_s = START_S + second + 1
        run.answered(second, 5.0)
    run.tick(3)
    assert {row.unfit for row in run.store.unfit()} == {"no sample of the node"}


def test_how_a_node_is_now_is_kept(run: Run) -> None:
    """A node's state, wall clock offset and capacity are stored when they change."""
    run.tick(1)
    (row,) = run.store.node_rows()
    assert (row.name, row.state, row.wall_offset_s, row.capacity) == ("pi1", "ready", 0.0, 4.0)
    run.collector.on_users("pi1", users=True)
    run.tick(2)
    assert run.store.node_rows()[0].state == "running"


@pytest.mark.parametrize(
    ("sent", "ended", "counted_in"),
    [
        pytest.param(12, 14, 14, id="given up within the hold"),
        pytest.param(12, 25, 18, id="sent in the hold and given up after it: in its last judged second"),
        pytest.param(21, 25, 25, id="sent after the hold: judged nowhere"),
        pytest.param(1, 3, 3, id="over before the hold"),
    ],
)
def test_a_request_without_an_answer_counts_in_the_last_judged_second_in_which_it_was_in_flight(
    run: Run, sent: int, ended: int, counted_in: int
) -> None:
    """A request that gets no answer counts in the last steady second in which it was in flight, however late it is given up."""
    run.now_s = START_S + 5
    run.collector.progress.hold_started(5.0)
    run.now_s = START_S + 20
    run.collector.load_ended(None)
    run.now_s = START_S + 26
    ages = Histogram()
    ages.add(1000.0 * (ended - sent))
    row = Unanswered("GET", "/x", START_S + sent, START_S + ended, 1, ages.max_ms, ages.buckets)
    run.collector.on_report("pi1_0", Report(1, 1, 0, run.now_s, {"ApiUser": 10}, [], [], unanswered=[row]))
    run.tick(26)
    (found,) = run.store.requests()
    second, endpoint, tally, *_ = found
    assert (second, endpoint) == (counted_in, ("GET", "/x"))
    assert (tally.total, tally.failed, tally.unanswered, tally.histogram.max_ms) == (1, 1, 1, ages.max_ms)


@pytest.mark.parametrize("told_again", [False, True])
@pytest.mark.parametrize("last_is_fit", [False, True])
def test_a_request_without_an_answer_is_excluded_like_the_second_in_which_it_counts(
    run: Run, last_is_fit: bool, told_again: bool
) -> None:
    """An unanswered request is excluded if its second is unfit, whatever a later, unjudged second or a late report holds."""
    run.collector.progress.hold_started(0.0)
    for second in range(10):
        run.now_s = START_S + second + 0.5
        if last_is_fit or second != 8:
            run.collector.on_agent("pi1", sample(second, run.now_s, run.now_s))
        run.now_s = START_S + second + 1
        row = WorkerSecond(START_S + second, 10.0, 1.0 if last_is_fit or second != 8 else 100.0, {1: 20}, [], users=10)
        run.collector.on_report("pi1_0", Report(1, second + 1, 0, run.now_s, {"ApiUser": 10}, [row], []))
    run.now_s = START_S + 10.3
    run.collector.load_ended(None)  # second 9 is not judged: too near the end
    if told_again:
        late = WorkerSecond(START_S + 8, None, 0.0, {}, [], users=10)
        run.collector.on_report("pi1_0", Report(1, 11, 0, run.now_s, {"ApiUser": 10}, [late], []))
    run.now_s = START_S + 12
    ages = Histogram()
    ages.add(9000.0)
    waited = Unanswered("GET", "/x", START_S + 3, START_S + 11, 1, ages.max_ms, ages.buckets)
    run.collector.on_report(
        "pi1_0", Report(1, 11 + told_again, 0, run.now_s, {"ApiUser": 10}, [], [], unanswered=[waited])
    )
    run.tick(13)
    ((second, _, tally, fit, _),) = run.store.requests()
    assert (second, tally.unanswered, fit) == (8, 1, last_is_fit)


def test_what_is_in_flight_is_known_by_endpoint_and_kept_while_it_waits_for_long(run: Run) -> None:
    """The number in flight is that of the latest complete second; run.db has those waiting for a second or longer."""
    ages = Histogram()
    ages.add(2500.0)
    waiting = EndpointSecond(
        "GET", "/x", 0, 0, 0, 0.0, {}, in_flight=3, waiting_max_ms=2500.0, waiting_buckets=ages.buckets
    )
    quick = EndpointSecond("GET", "/y", 0, 0, 0, 0.0, {}, in_flight=2)
    row = WorkerSecond(START_S + 6, 10.0, 1.0, {1: 20}, [waiting, quick], users=10)
    run.now_s = START_S + 8
    run.collector.on_report("pi1_0", Report(1, 1, 0, run.now_s, {"ApiUser": 10}, [row], []))
    run.tick(10.5)
    assert {endpoint[1]: entry.count for endpoint, entry in run.collector.in_flight().items()} == {"/x": 3, "/y": 2}
    assert [(second, endpoint[1], many, age.max_ms) for second, endpoint, many, age in run.store.waiting()] == [
        (6, "/x", 1, 2500.0)
    ]
    (workers,) = run.store.workers_by_second()
    assert (workers.second, workers.users, workers.in_flight) == (6, 10, 5)
