"""Arrivals that were late or not started break a threshold where the target is at fault, and a check where the generator is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from judged_run import SECONDS, STEADY, fit_log, run_facts
from judged_run import fill as fill_closed
from judged_run import scenario as closed
from open_run import CLASS, RATE, arrivals, fill, of, scenario

from master.judge.offered_load import read_offered_load
from master.judge.outcome import conclude
from master.judge.result import Missed, Result, ThresholdResult
from master.judge.run_facts import CacheCounts
from master.judge.seconds.second_facts import ArrivalCounts, JudgedSecond
from master.judge.seconds.unfit import NodeCondition, judge_worker
from master.judge.seconds.window import Second, Window
from master.judge.target.thresholds import Judge
from master.scenario import ValidityLimits, parse_threshold
from master.store import Store
from worker.load.histogram import EndpointStats
from worker.telemetry.conditions import pack_flags
from worker.wire.reports import ArrivalSecond, WorkerSecond

ALL = RATE * SECONDS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


def concluded(store: Store, *rules: str, **facts: object) -> Result:
    return conclude(scenario("missed < 1 %", *rules), store, fit_log(), run_facts(**{"offered": ALL, **facts}))


def check(result: Result, name: str = "arrivals") -> tuple[bool | None, str, str]:
    (row,) = [row for row in result.validity if row.check == name]
    return row.ok, row.observed_text, row.message


def rule(result: Result, text: str) -> ThresholdResult:
    (row,) = [row for row in result.thresholds if row.rule == text]
    return row


def test_arrivals_that_all_started_in_time_pass(store: Store) -> None:
    """Offered, started and late are counted over the whole run, rates and lateness over its steady part."""
    fill(store)
    result = concluded(store, "arrival_rate >= 99/s", "p95 < 35 ms", "service p95 < 25 ms", start_skew_s=0.0021)
    assert (result.verdict, result.faults) == ("PASS", [])
    load = result.load
    assert (load.model, load.offered, load.started, load.late) == ("open", ALL, ALL, 0)
    assert load.missed == Missed(total=0, no_free_user=0, while_unfit=0, given_up=0, lost=0)
    assert (load.offered_per_s, load.started_per_s, load.start_skew_ms) == (RATE, RATE, 2.1)
    assert load.lateness_ms is not None
    assert load.lateness_ms.p99 == pytest.approx(0.2, rel=0.01)
    assert [(row.user_class, row.started) for row in load.user_classes] == [(CLASS, ALL)]
    assert check(result) == (True, "0 %", "")
    assert check(result, "users")[0]


def test_latency_counts_from_the_due_time_and_service_time_from_the_start(store: Store) -> None:
    """Both have their percentiles side by side, of the run and of each endpoint, and each its own thresholds."""
    fill(store, latency_ms=30.0, service_ms=20.0)
    result = concluded(store, "p95 < 25 ms", "service p95 < 25 ms", "GET /x service p99 < 15 ms over 3s")
    assert result.service_time_ms is not None
    assert (result.latency_ms.p95, result.service_time_ms.p95) == pytest.approx((30.0, 20.0), rel=0.01)
    (endpoint,) = result.endpoints
    assert endpoint.service_time_ms is not None
    assert (endpoint.latency_ms.p95, endpoint.service_time_ms.p95) == pytest.approx((30.0, 20.0), rel=0.01)
    assert [row.ok for row in result.thresholds] == [True, False, True, False]
    assert result.verdict == "FAIL"


@pytest.mark.parametrize(
    ("made", "fit", "verdict", "says"),
    [
        pytest.param(arrivals(95, missed=5), True, "FAIL", "missed < 1 % (5 %)", id="the target keeps all users busy"),
        pytest.param(
            arrivals(95, missed=5),
            False,
            "INVALID",
            "75 missed by workers that were not fit",
            id="a starved worker misses",
        ),
        pytest.param(
            arrivals(95, given_up=5),
            True,
            "INVALID",
            "75 given up by workers that were far behind",
            id="a worker is far behind",
        ),
        pytest.param(
            arrivals(late=3, lateness_ms=12.0),
            True,
            "INVALID",
            "45 started late (p99 of all 12 ms)",
            id="a worker is late",
        ),
        pytest.param(arrivals(95), True, "INVALID", "75 lost with workers that never reported them", id="nodes die"),
        pytest.param(arrivals(late=1), True, "PASS", "", id="as many are late as may be"),
    ],
)
def test_the_verdict_goes_by_whose_fault_it_is(store: Store, made: object, fit: bool, verdict: str, says: str) -> None:
    """Arrivals that no user was free for fail the target; those that the generator was late for, or lost, make the run INVALID."""
    fill(store, made, fit=fit)  # type: ignore[arg-type]
    result = concluded(store)
    assert result.verdict == verdict
    assert says in result.reason


def test_started_and_missed_add_up_to_what_was_offered(store: Store) -> None:
    fill(store, arrivals(80, missed=6, given_up=3))
    store.add_arrivals(3, CLASS, arrivals(4, missed=5), fit=False)
    result = concluded(store)
    load = result.load
    assert load.missed == Missed(
        total=20 * SECONDS - 4, no_free_user=6 * SECONDS, while_unfit=5, given_up=3 * SECONDS, lost=11 * SECONDS - 9
    )
    assert load.started is not None
    assert load.missed.total is not None
    assert load.started + load.missed.total == load.offered


def test_arrivals_lost_while_the_controller_stood_still_make_the_run_invalid(store: Store) -> None:
    """Seconds without a controller are not judged, but what was due in them and never offered counts against the generator."""
    fill(store)
    for second in (8, 9, 10):
        store._db.execute("DELETE FROM arrivals WHERE second = ?", (second,))
    still = [second for second in STEADY if second not in {8, 9, 10}]
    result = concluded(store, steady_seconds=still, gaps=[(8.0, 11.0)])
    assert result.verdict == "INVALID"
    assert "of 1500 that were due in the holds, 20 % were not offered, above 1 %: 300 lost" in result.reason


def test_what_is_missed_while_there_is_no_controller_is_not_the_targets_fault(store: Store) -> None:
    """Seconds of a controller's absence have no row; a later one starts with few users, to whom earlier arrivals are still dealt."""
    fill(store)
    for second in (8, 9, 10):
        store._db.execute("DELETE FROM seconds WHERE second = ?", (second,))
    for second, missed in ((9, 40), (12, 1)):
        store._db.execute("DELETE FROM arrivals WHERE second = ?", (second,))
        store.add_arrivals(second, CLASS, arrivals(RATE - missed, missed=missed), fit=True)
    still = [second for second in STEADY if second not in {8, 9, 10}]
    load = concluded(store, steady_seconds=still, gaps=[(8.0, 11.0)], offered=RATE * SECONDS).load
    assert load.missed is not None
    assert (load.missed.no_free_user, load.missed.while_unfit) == (1, 40)
    assert (load.user_classes[0].missed.no_free_user, load.user_classes[0].missed.while_unfit) == (1, 40)


def test_a_second_far_away_costs_no_memory(store: Store) -> None:
    """What is read of run.db is bounded by its rows, not by the seconds between them."""
    fill(store)
    far = store.seconds()[-1]._replace(second=10**7)
    store.put_second(far)
    tracemalloc.start()
    try:
        read_offered_load(store, set(STEADY), None)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10 << 20


def test_more_arrivals_than_were_due_are_a_fault_unless_the_run_was_ended_early(store: Store) -> None:
    """Where a run is ended, workers decide what is due until they hear of it, a little more than the controller knows of."""
    fill(store)
    by_plan = concluded(store, offered=ALL - 7)
    assert by_plan.verdict == "INVALID"
    assert by_plan.faults == ["arrivals: workers reported 7 more than were due"]
    stopped = concluded(store, offered=ALL - 7, aborted="interrupted")
    assert (stopped.load.offered, stopped.faults) == (ALL, [])


def test_missed_arrivals_are_warned_of_with_what_would_help(store: Store) -> None:
    """A few in a thousand are worth no advice."""
    fill(store, arrivals(90, missed=10), service_ms=500.0)
    (warning,) = concluded(store).warnings
    assert (
        "150 arrivals found none of 10 users free: where answers take 500 ms (service p99), about 50 are busy"
        in warning
    )
    fill(store, arrivals(1900))
    store._db.execute("UPDATE seconds SET offered = 100000")
    assert concluded(store, offered=None).warnings == []


def test_without_a_schedule_nobody_knows_what_was_lost(store: Store) -> None:
    """Where it is not known how many were due, what depends on that is null, and the run is not valid."""
    fill(store, offered=None)
    result = concluded(store, offered=None)
    assert (result.load.offered, result.load.started) == (None, ALL)
    assert result.load.missed == Missed(total=None, no_free_user=0, while_unfit=0, given_up=0, lost=None)
    assert check(result)[:2] == (False, "no data")
    assert result.verdict == "INVALID"


def test_a_damaged_lateness_is_told_and_no_such_run_passes(store: Store) -> None:
    fill(store)
    store._db.execute("UPDATE arrivals SET lateness = x'ff' WHERE second = 7")
    result = concluded(store)
    assert result.faults == ["lateness: that of 1 second is missing, run.db is damaged there"]
    assert result.verdict == "INVALID"
    assert result.load.started == ALL


def test_the_closed_model_has_no_arrivals(store: Store) -> None:
    """A run of the closed model has no figures of arrivals, no check of them, and service times as its latencies."""
    fill_closed(store)
    result = conclude(closed(), store, fit_log(), run_facts())
    assert (result.load.model, result.load.offered, result.load.missed) == ("closed", None, None)
    assert "arrivals" not in [row.check for row in result.validity]
    assert result.service_time_ms == result.latency_ms
    assert result.target_figures is None


def test_rules_on_arrivals_are_judged_window_by_window() -> None:
    """A rule with a window is broken by its worst window, and one without by the whole, live as at the end."""
    rules = [
        parse_threshold(text)
        for text in ("missed < 10 % over 2s, abort", "missed < 50 %", "arrival_rate >= 95/s over 2s")
    ]
    judge = Judge(rules)
    for second in range(12):
        stalled = 4 <= second < 6
        counts = ArrivalCounts(RATE, RATE - 20 if stalled else RATE, 20 if stalled else 0)
        judge.add(JudgedSecond(second, {}, 10, arrivals=counts))
        assert (judge.broken_abort() is not None) == (second in {4, 5, 6})
    found = judge.outcomes()
    assert [row.observed for row in found] == [0.2, pytest.approx(40 / 1200), 80.0]
    assert [row.ok for row in found] == [False, True, False]
    assert not any(row.on_latency for row in found)


@pytest.mark.parametrize(
    ("text", "unfit_missed", "ok", "says"),
    [
        ("missed < 1 %", 5, None, "unknown, with what unfit workers missed, for whatever reason, it is 1.111 %"),
        ("missed < 1 %", 3, True, ""),
        ("missed < 0.1 %", 5, False, ""),
        ("missed < 4 % over 2s", 5, None, "unknown, 2 windows, the first from 3 s, keep it only without what unfit"),
    ],
)
def test_a_rule_on_missed_arrivals_does_not_hold_because_workers_were_unfit(
    text: str, unfit_missed: int, ok: bool | None, says: str
) -> None:
    """At the end of a stall workers may be unfit for all the answers that come: what they miss then may be the target's."""
    judge = Judge([parse_threshold(text)])
    for second in range(9):
        stalled = second == 4
        judge.add(
            JudgedSecond(second, {}, 10, arrivals=ArrivalCounts(RATE, RATE - 10, 5 * stalled, unfit_missed * stalled))
        )
    (found,) = judge.outcomes()
    assert found.ok is ok
    assert found.message.startswith(says)


def test_rules_on_arrivals_have_no_data_without_any() -> None:
    judge = Judge([parse_threshold("missed < 10 %"), parse_threshold("arrival_rate > 1/s")])
    judge.add(JudgedSecond(0, {}, 10))
    assert [row.message for row in judge.outcomes()] == ["no arrivals were due: the load is no arrival rate"] * 2


def test_a_window_forgets_service_times_and_arrivals_that_left_it() -> None:
    """The largest service time and the counts of a window are those of its own seconds alone."""
    window = Window(2)
    for second, service_ms in enumerate((900.0, None, 30.0, 20.0)):
        service = None if service_ms is None else of(service_ms)
        window.add(
            second,
            Second(EndpointStats(1, histogram=of(1000.0), service=service), arrivals=ArrivalCounts(9, 8, second)),
        )
        assert (window.offered, window.started) == (9 * min(second + 1, 2), 8 * min(second + 1, 2))
    assert window.tally.service is not None
    assert (window.tally.service.max_ms, window.tally.service.buckets) == (30.0, of(20.0, 30.0).buckets)
    assert window.no_free_user == 2 + 3


def late_second(*rows: ArrivalSecond) -> WorkerSecond:
    return WorkerSecond(7, 10.0, 1.0, of(1.0).buckets, [], 5, arrivals=list(rows))


def row_of(lateness_ms: float, count: int = 100, given_up: int = 0) -> ArrivalSecond:
    lateness = of(lateness_ms, times=count)
    return ArrivalSecond("A", count, 0, 0, given_up, lateness.max_ms, lateness.buckets)


@pytest.mark.parametrize(
    ("second", "reasons"),
    [
        pytest.param(late_second(row_of(2.0)), [], id="in time"),
        pytest.param(late_second(row_of(2.0), row_of(80.0, 1)), [], id="one of a hundred"),
        pytest.param(late_second(row_of(2.0), row_of(80.0, 9)), ["late arrivals 80 ms above 50 ms"], id="late"),
        pytest.param(late_second(row_of(2.0, given_up=9)), ["late arrivals 996.8 ms above 50 ms"], id="given up"),
    ],
)
def test_a_worker_that_is_late_for_its_arrivals_is_unfit_in_that_second(
    second: WorkerSecond, reasons: list[str]
) -> None:
    found = judge_worker(
        ValidityLimits(),
        second,
        clock_error_ms=1.0,
        node=NodeCondition(20.0, 30.0, 50.0, pack_flags(0), is_pi=True),
        users_stopping=False,
    )
    assert found.reasons == reasons


@pytest.mark.parametrize("started", [0, 3])
def test_a_class_that_has_made_no_request_is_at_fault_only_where_it_had_arrivals(store: Store, started: int) -> None:
    """A class of few users may have no arrival in a short run; one that starts them and asks for nothing is at fault."""
    fill(store, arrivals(RATE - started))
    for second in range(SECONDS):
        store.add_arrivals(second, "RareUser", arrivals(started), fit=True)
    ok, _, message = check(concluded(store, silent_classes=["RareUser"]), "users")
    assert ok is not bool(started)
    assert ("RareUser never made a request" in message) is bool(started)


@pytest.mark.parametrize(
    ("cache", "ok", "says"),
    [
        (CacheCounts(90, 10), True, ""),
        (CacheCounts(80, 20), False, ""),
        (CacheCounts(0, 0), None, "nothing was looked up in the target's cache"),
        (None, None, "the target has no counters of cache hits and misses"),
    ],
)
def test_cache_hits_are_the_targets_own_count(
    store: Store, cache: CacheCounts | None, ok: bool | None, says: str
) -> None:
    fill(store)
    result = concluded(store, "cache_hits > 80 %", cache=cache)
    row = rule(result, "cache_hits > 80 %")
    assert row.ok is ok
    assert says in row.message
    assert row.observed == (None if ok is None else 0.9 if ok else 0.8)
    assert result.verdict == {True: "PASS", False: "FAIL", None: "INVALID"}[ok]


def test_what_the_targets_process_used_is_told_of_the_steady_part(store: Store) -> None:
    fill(store)
    figures = concluded(store, cache=CacheCounts(90, 10)).target_figures
    assert figures is not None
    first, last = STEADY[0], STEADY[-1]
    assert (figures.cpu_percent_mean, figures.cpu_percent_max) == (40 + (first + last) / 2, 40 + last)
    assert (figures.memory_start_bytes, figures.memory_peak_bytes) == ((100 + first) << 20, (100 + last) << 20)
    assert figures.memory_growth_bytes == (last - first) << 20
    assert (figures.cache_hits, figures.cache_misses, figures.cache_hit_share) == (90, 10, 0.9)
