"""A second is judged alike during the run, by a controller that resumes it, and for the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from collected_run import HEALTHY, START_S, USERS, collected_scenario, join, sample, set_clock

from master.fleet.registry import Registry
from master.judge.faults import Faults
from master.judge.seconds.second_facts import JudgedSecond
from master.judge.target.thresholds import Judge
from master.judge.totals import Totals, read_totals
from master.load.arrival_plan import plan_of
from master.run.checkpoint import read_checkpoint
from master.run.collect.collector import Collector
from master.run.collect.latest_seconds import CLOSED_AFTER_S
from master.scenario import LoadStage, OpenStage, Stage
from master.store import CHECKPOINT_KEY, Store
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.histogram import EndpointStats, Histogram
from worker.telemetry.conditions import THROTTLED, pack_flags
from worker.wire.messages import ArrivalDeal
from worker.wire.reports import ArrivalSecond, EndpointSecond, ExceptionCount, Report, Unanswered, WorkerSecond

LATE_S = 2
"""No report is later than this: what is not there when a second is judged live is judged at the end alone."""
AWAY_S = 6
NODES = ("pi1", "pi2", "pi3")
RULES = (
    "rate_per_user >= 0/s over 3s, abort",
    "GET /x p95 < 1000 s over 3s, abort",
    "GET /y errors <= 100 %, abort",
    "exceptions <= 100000 over 2s, abort",
    "exceptions <= 100000, abort",
)
"""All that a rule may look at; none of them breaks."""
OPEN_RULES = (
    *RULES,
    "missed <= 100 %, abort",
    "arrival_rate >= 0/s over 3s, abort",
    "GET /x service p95 < 1000 s over 5s, abort",
)


def comparable(judged: JudgedSecond) -> tuple[Any, ...]:
    """All content of a judged second, as plain values."""
    return (
        {endpoint: of_tally(tally) for endpoint, tally in judged.tallies.items()},
        judged.users,
        judged.exceptions,
        {endpoint: of_histogram(ages) for endpoint, ages in judged.waiting.items()},
        {endpoint: of_tally(tally) for endpoint, tally in judged.excluded.items()},
        judged.arrivals,
    )


def of_histogram(histogram: Histogram | None) -> tuple[Any, ...]:
    return () if histogram is None else (histogram.max_ms, histogram.buckets)


def of_tally(tally: EndpointStats) -> tuple[Any, ...]:
    counts = (
        tally.total,
        tally.failed,
        tally.received_bytes,
        tally.userspace_timed,
        tally.unanswered,
        tally.without_latency,
    )
    return (*counts, of_histogram(tally.histogram), of_histogram(tally.failures), of_histogram(tally.service))


class Played:
    """A run of three nodes that report at random, and its controllers."""

    rules: Sequence[str] = RULES

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        self.random = Random(seed)
        self.now_s = float(START_S)
        set_clock(monkeypatch, lambda: self.now_s)
        self.judged: list[dict[int, tuple[Any, ...]]] = []
        """What each judge was given, in the order in which they were made."""
        judges: dict[int, dict[int, tuple[Any, ...]]] = {}
        add, make = Judge.add, Judge.__init__

        def noted_make(judge: Judge, *args: Any) -> None:
            make(judge, *args)
            self.judged.append({})
            judges[id(judge)] = self.judged[-1]

        def noted_add(judge: Judge, judged: JudgedSecond) -> None:
            judges[id(judge)][judged.second] = comparable(judged)
            add(judge, judged)

        monkeypatch.setattr(Judge, "__init__", noted_make)
        monkeypatch.setattr(Judge, "add", noted_add)
        self.scenario = collected_scenario(len(NODES), self.stages(), self.rules)
        self.store = Store(path, create=True)
        self.numbers = dict.fromkeys(NODES, 0)
        self.due = dict.fromkeys(NODES, 0)
        """The next second that each worker has to report."""
        self.sampled = 0
        self.take_over(resumed=False)

    def stages(self) -> Sequence[LoadStage]:
        return (
            Stage(users=30, spawn_rate=10, hold_s=self.random.uniform(8, 16)),
            Stage(users=30, spawn_rate=10, hold_s=30.0),
        )

    def take_over(self, *, resumed: bool) -> None:
        """Begin the run, or resume it, with a new controller."""
        earlier = read_checkpoint(self.store.meta(CHECKPOINT_KEY), Path("run")) if resumed else None
        stages = self.scenario.open_stages
        self.collector = Collector(
            self.store,
            Registry(NODES),
            self.scenario,
            send=lambda _node, _message: None,
            earlier=earlier,
            arrivals=ArrivalSchedule(plan_of(stages, 0)) if stages else None,
        )
        for node in NODES:
            join(self.collector, node, self.now_s, first=self.numbers[node] + 1)
        self.collector.begin()

    def seconds(self, count: int) -> None:
        """Let so many seconds pass."""
        for _ in range(count):
            second = int(self.now_s) - START_S
            for node in NODES:
                if self.random.random() < 0.9:
                    self.now_s = START_S + second + 0.5
                    conditions = pack_flags(THROTTLED) if self.random.random() < 0.1 else HEALTHY
                    taken = sample(second, self.now_s, self.now_s, conditions=conditions)
                    self.collector.on_agent(node, taken)
            self.now_s = START_S + second + 1.0
            for node in NODES:
                if self.random.random() < 0.6 or second - self.due[node] >= LATE_S:
                    self.report(node, second)
            self.now_s += 0.01
            self.collector.tick(3 * USERS + 5, lambda _worker, _number: None)

    def report(self, node: str, last: int) -> None:
        """Let the node's worker report its seconds up to `last`, and sometimes an unanswered request of the last one."""
        random = self.random
        rows = [self.second(second) for second in range(self.due[node], last + 1)]
        self.due[node] = last + 1
        unanswered = []
        if last in self.collector.timeline.steady and random.random() < 0.2:
            ages = self.latencies(1500.0, 1)
            unanswered = [Unanswered("GET", "/y", START_S + last, START_S + last, 1, ages.max_ms, ages.buckets)]
        raised = ExceptionCount("ApiUser", "KeyError", "'id'", "api.py:7", "x", sum(row.exceptions for row in rows))
        self.numbers[node] += 1
        report = Report(1, self.numbers[node], 0, self.now_s, {"ApiUser": USERS}, rows, [], unanswered=unanswered)
        report.exceptions = [raised] if raised.count else []
        self.collector.on_report(f"{node}_0", report)

    def second(self, second: int) -> WorkerSecond:
        random = self.random
        lag = self.latencies(0.1, 20)
        return WorkerSecond(
            START_S + second,
            random.choice([10.0, 10.0, 10.0, 99.0, None]),
            lag.max_ms,
            lag.buckets,
            [self.endpoint(path, second) for path in ("/x", "/y") if random.random() < 0.7],
            random.choice([USERS, USERS, USERS, USERS - 1, None]),
            exceptions=random.choice([0, 0, 0, 2]),
        )

    def endpoint(self, path: str, second: int) -> EndpointSecond:
        random = self.random
        answered, failed = self.latencies(5.0, random.randrange(6)), self.latencies(50.0, random.choice([0, 0, 1]))
        waiting = self.latencies(1000.0 * (second + 1), random.choice([0, 0, 2]))
        return EndpointSecond(
            "GET",
            path,
            answered.count + failed.count,
            failed.count,
            100 * answered.count,
            answered.max_ms,
            answered.buckets,
            random.randint(0, answered.count),
            failed.max_ms,
            failed.buckets,
            in_flight=waiting.count + random.randrange(3),
            waiting_max_ms=waiting.max_ms,
            waiting_buckets=waiting.buckets,
        )

    def latencies(self, about_ms: float, count: int) -> Histogram:
        histogram = Histogram()
        for _ in range(count):
            histogram.add(about_ms * self.random.uniform(0.5, 1.0))
        return histogram

    def totals(self) -> Totals:
        """The totals on which the verdict is based."""
        faults = Faults()
        totals = read_totals(self.store, self.collector.steady_seconds(), self.scenario.thresholds, faults)
        assert not faults.found
        return totals


class PlayedOpen(Played):
    """The same in the open model: what nodes report of their arrivals is what they were dealt at most."""

    rules = OPEN_RULES

    def stages(self) -> Sequence[LoadStage]:
        return (OpenStage(rate_per_s=90.0, max_users=3 * USERS, hold_s=60.0),)

    def take_over(self, *, resumed: bool) -> None:
        super().take_over(resumed=resumed)
        if not resumed:
            self.collector.timeline.start_plan(0.0)
            self.collector.progress.hold_started(0.0)
        for index, node in enumerate(NODES):
            deal = ArrivalDeal(0, 90 * 60, float(START_S), 0, len(NODES), {"ApiUser": [index]})
            self.collector.on_deal(f"{node}_0", deal)

    def second(self, second: int) -> WorkerSecond:
        row = super().second(second)
        missed, given_up = self.random.choice([0, 0, 9]), self.random.choice([0, 0, 0, 1])
        started = 30 - missed - given_up
        lateness = self.latencies(self.random.choice([1.0, 1.0, 200.0]), started)
        late = self.random.randint(0, started)
        row.arrivals = [ArrivalSecond("ApiUser", started, missed, late, given_up, lateness.max_ms, lateness.buckets)]
        return row

    def endpoint(self, path: str, second: int) -> EndpointSecond:
        row = super().endpoint(path, second)
        service = self.latencies(4.0, sum(row.buckets.values()))
        row.service_max_ms, row.service_buckets = service.max_ms, service.buckets
        return row


@pytest.mark.parametrize("seed", range(4))
def test_arrivals_are_judged_alike_live_resumed_and_for_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """What was offered, started and missed, and service times, are the same in each judgement of a second."""
    run = PlayedOpen(tmp_path / "run.db", monkeypatch, seed)
    try:
        run.seconds(25)
        run.take_over(resumed=True)
        run.collector.load_ended(None)
        totals = run.totals()
        before, past, final = run.judged
        assert len(before) > 15
        assert past == before
        assert {second: final[second] for second in before} == before
        counts = [row[-1] for row in final.values()]
        assert {count.offered for count in counts} == {90}
        assert any(count.no_free_user for count in counts)
        assert any(count.started + count.no_free_user < 80 for count in counts), (
            "misses of unfit workers are no target's"
        )
        assert any(tally[-1] for tallies, *_ in final.values() for tally in tallies.values()), "service times"
        assert not run.collector.dropped
        assert all(row.observed is not None for row in totals.outcomes)
    finally:
        run.store.close()


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    stores = []

    def make(seed: int) -> Played:
        played = Played(tmp_path / "run.db", monkeypatch, seed)
        stores.append(played.store)
        return played

    yield make
    for store in stores:
        store.close()


@pytest.mark.parametrize("seed", range(8))
def test_live_resumed_and_final_judgement_agree_second_by_second(play: Any, seed: int) -> None:
    """Live, resumed and final judgement agree, apart from seconds incomplete when a controller was lost, judged at the
    end alone.
    """
    run = play(seed)
    run.seconds(run.random.randrange(1, 4))
    run.collector.progress.hold_started(run.collector.offset_s())
    run.seconds(run.random.randrange(12, 20))
    run.collector.progress.hold_started(run.collector.offset_s())
    run.seconds(run.random.randrange(6, 12))
    lost_at = int(run.collector.offset_s())
    # The controller is lost; workers keep what they measure, and report it to the next one.
    run.now_s += AWAY_S
    run.take_over(resumed=True)
    for node in NODES:
        run.due[node] = max(run.due[node], lost_at)
        run.report(node, int(run.now_s) - START_S - 1)
    resumed_at = int(run.collector.offset_s())
    past = dict(run.judged[1])
    run.seconds(2)
    run.collector.progress.hold_started(run.collector.offset_s())
    run.seconds(run.random.randrange(10, 16))
    run.collector.load_ended(None)
    run.seconds(LATE_S)
    run.now_s += CLOSED_AFTER_S
    run.collector.tick(0, lambda _worker, _number: None)
    run.collector.end()
    totals = run.totals()

    before, after, final = run.judged
    assert past == before
    assert len(before) > 10
    assert len(after) > len(past) + 2
    assert {second: final[second] for second in after} == after
    assert set(final) - set(after) <= set(range(lost_at - CLOSED_AFTER_S, resumed_at))
    assert any(users is None for _, users, *_ in final.values())
    assert any(users for _, users, *_ in final.values())
    assert any(excluded for _, _, _, _, excluded, _ in final.values())
    assert any(waiting for _, _, _, waiting, *_ in final.values())

    live = run.collector._rules._judge.outcomes()
    assert totals.outcomes[-1] == live[-1], "exceptions of the whole run"
