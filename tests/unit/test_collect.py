"""What comes together from the fleet: late reports, and which seconds can end a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from master.fleet.clocks import ClockMap
from master.fleet.registry import Registry
from master.run import agents, collect
from master.run.collect import CLOSED_AFTER_S, Collector
from master.scenario import Nodes, Scenario, Stage, parse_threshold
from master.store import Store
from worker.histogram import Histogram
from worker.wire import Answer, EndpointSecond, Facts, Hello, Ready, Report, UserShare, WorkerSecond

START_S = 1000.0
FACTS = Facts(simulated=True, model="Pi 4", cpu_count=4, memory_bytes=1, os="o", python="p", piswarm="v")


class Run:
    """A collector for one node, at a time that the test sets; the worker's clock is ours."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, *rules: str) -> None:
        self.now_s = START_S
        self.told: list[tuple[str, int]] = []
        clock = SimpleNamespace(monotonic=lambda: self.now_s, time=lambda: self.now_s)
        monkeypatch.setattr(collect, "time", clock)
        monkeypatch.setattr(agents, "time", clock)
        scenario = Scenario(
            "test",
            "embedded",
            {"ApiUser": UserShare(weight=1)},
            (Stage(users=10, spawn_rate=10, hold_s=60),),
            nodes=Nodes(1, 1),
            thresholds=tuple(parse_threshold(rule) for rule in rules),
        )
        self.store = Store(path, create=True)
        self.collector = Collector(self.store, Registry(["pi1"]), scenario, tell=lambda _node, _message: None)
        self.collector.begin()
        self.collector.on_agent("pi1", Hello(FACTS))
        self.collector.on_agent("pi1", Answer(START_S, START_S, START_S))
        self.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 1, 1))
        self._number = 0

    def answered(self, second: int, latency_ms: float) -> None:
        """The worker reports one request of a second of the run."""
        histogram = Histogram()
        histogram.add(latency_ms)
        entry = EndpointSecond("GET", "/x", 1, 0, 0, latency_ms, histogram.buckets)
        row = WorkerSecond(int(START_S) + second, 10.0, 1.0, {1: 20}, [entry])
        self._number += 1
        self.collector.on_report("pi1_0", Report(self._number, 0, self.now_s, {"ApiUser": 10}, [row], []))

    def tick(self, offset_s: float) -> None:
        self.now_s = START_S + offset_s
        self.collector.tick(10, lambda worker, number: self.told.append((worker, number)))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    run = Run(tmp_path / "run.db", monkeypatch, "GET /x max < 100 ms over 2s, abort")
    yield run
    run.store.close()


def test_a_report_that_comes_after_its_second_was_judged_is_kept_and_troubles_nobody(run: Run) -> None:
    """A stalled worker's does. The second leaves the rule's window later as it was when it entered."""
    run.collector.progress.hold_started(0)
    for second in range(10):
        run.now_s = START_S + second + 1
        run.answered(second, 5.0)
        run.tick(second + 1)
    run.answered(9 - CLOSED_AFTER_S, 7.0)
    for offset_s in range(11, 30):
        run.tick(offset_s)
    assert run.collector.broken_rule is None
    assert sum(tally.total for _, _, tally, _ in run.store.requests()) == 11


@pytest.mark.parametrize(("hold_from_s", "ends"), [(0, True), (9, False)])
def test_only_steady_seconds_can_end_a_run(run: Run, hold_from_s: float, ends: bool) -> None:
    """While the load is on its way elsewhere, a slow answer breaks no rule."""
    for second in range(10):
        run.now_s = START_S + second + 1
        if second == hold_from_s:
            run.collector.progress.hold_started(hold_from_s)
        run.answered(second, 500.0 if second < 8 else 5.0)
        run.tick(second + 1)
    for offset_s in range(11, 20):
        run.tick(offset_s)
    assert (run.collector.broken_rule is not None) is ends


def test_workers_are_told_what_is_kept_and_what_comes_again_is_not_counted_again(run: Run) -> None:
    """Only what has been committed: a controller that dies before has not taken it."""
    run.answered(0, 5.0)
    assert run.told == []
    run.tick(1)
    assert run.told == [("pi1_0", 1)]
    run._number = 0  # the worker has not heard it
    run.answered(0, 5.0)
    run.tick(2)
    assert run.told == [("pi1_0", 1)] * 2
    assert run.collector.dropped == {"a report that came again": 1}
    assert sum(tally.total for _, _, tally, _ in run.store.requests()) == 1
    assert run.store.reports() == {"pi1_0": (1, 1)}


def test_a_report_ahead_of_a_lost_one_waits_for_it(run: Run) -> None:
    """Taken at once, it would have the worker forget the other."""
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
    assert [second for second, _, _, _ in run.store.requests()] == [0, 1]


def test_a_worker_that_was_started_anew_counts_its_reports_from_one(run: Run) -> None:
    """And what the one before had not reported is known to be missing."""
    run.answered(0, 5.0)
    assert run.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 1, 2)) == 1
    assert run.collector.cut_off == []
    assert run.collector.on_worker_joined("pi1", "pi1_0", Ready("2.47.0", 2, 1)) == 0
    assert run.collector.cut_off == ["pi1_0"]
    run._number = 0
    run.answered(1, 5.0)
    run.tick(2)
    assert sum(tally.total for _, _, tally, _ in run.store.requests()) == 2


def test_a_report_of_a_node_whose_clock_is_not_known_waits_for_it(run: Run) -> None:
    """It may have been kept for long while there was no controller: taken at once, it would count for another second."""
    run.collector._registry.nodes["pi1"].clock = ClockMap()
    run.now_s = START_S + 30
    run.answered(3, 5.0)
    run.tick(30)
    assert run.told == []
    run.collector.on_agent("pi1", Answer(START_S + 30, START_S + 30, 0))
    run.tick(31)
    assert run.told == [("pi1_0", 1)]
    assert [second for second, _, _, _ in run.store.requests()] == [3]
