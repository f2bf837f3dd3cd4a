"""A run always ends with a verdict, whatever was measured and whatever is wrong in the judging of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from judged_run import fill, fit_log, run_facts, scenario
from report_example import tally

from master.judge.fitness import FitnessLog
from master.judge.outcome import conclude
from master.report.result import Result
from master.store import Store
from worker.histogram import Histogram, Tally


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


class Broken:
    """In place of what a check reads: nothing can be done with it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("broken on purpose")


PARTS = {
    "loop_lag_p99": "lag",
    "worker_cpu": "worker_cpu",
    "node_cpu": "node_cpu",
    "node_memory": "node_memory",
    "node_temperature": "temperature_c",
    "throttling": "held_back",
    "under_voltage": "under_voltage",
    "controller_cpu": "controller_cpu",
    "clock_error": "clock_error_ms",
    "missing_samples": "samples_missing",
    "nodes": "lost",
    "excluded_share": "requests_fit",
    "users": "seconds",
    "local_errors": "local_errors",
    "latency_error": "lag_by_request",
    "doubtful_thresholds": "lag_when_fit",
}
"""What of a FitnessLog, or of the Store, each check reads, and no other."""


def break_check(name: str, log: FitnessLog, store: Store) -> None:
    """Let nothing be read of what a check needs."""
    setattr(store if name in {"users", "local_errors"} else log, PARTS[name], Broken())


def checks(result: Result) -> dict[str, bool | None]:
    return {row.check: row.ok for row in result.validity}


def own_clock_tally(*latencies_ms: float, failed: int = 0) -> Tally:
    made = tally(*latencies_ms, failed=failed)
    made.own_clock = len(latencies_ms)
    return made


def test_a_run_that_went_well_passes_every_check(store: Store) -> None:
    fill(store, [own_clock_tally(100.0, 120.0)])
    result = conclude(scenario("max < 1 s"), store, fit_log(own_clock=2), run_facts())
    assert (result.verdict, result.faults) == ("PASS", [])
    assert list(checks(result)) == list(PARTS)
    assert all(checks(result).values())


@pytest.mark.parametrize("name", PARTS)
def test_a_fault_in_one_check_makes_that_one_unknown_and_the_run_invalid(name: str, store: Store) -> None:
    """The others are made as ever, and what it was is said as a fault of our own."""
    fill(store, [own_clock_tally(100.0, 120.0)])
    log = fit_log(own_clock=2)
    break_check(name, log, store)
    # That rule is over by less than any lag, so that what the lag may be in it is asked for.
    result = conclude(scenario("max < 119.9 ms", "errors < 1 %"), store, log, run_facts())
    assert checks(result) == {check: None if check == name else True for check in PARTS} | (
        {} if name == "doubtful_thresholds" else {"doubtful_thresholds": False}
    )
    (row,) = [row for row in result.validity if row.check == name]
    assert row.fault
    assert row.observed == "unknown"
    assert "unknown, a fault of piswarm's own: " in row.message
    assert result.verdict == "INVALID"
    assert row.message in result.reason
    assert result.requests.total == 40
    json.loads(msgspec.json.encode(result))


@pytest.mark.parametrize("name", PARTS)
def test_no_run_passes_while_a_check_is_unknown_by_our_own_fault(name: str, store: Store) -> None:
    fill(store, [own_clock_tally(100.0, 120.0)])
    log = fit_log(own_clock=2)
    break_check(name, log, store)
    rules = ["max < 119.9 ms"] if name == "doubtful_thresholds" else ["max < 1 s"]
    assert conclude(scenario(*rules), store, log, run_facts()).verdict == "INVALID"


def test_a_rule_that_can_not_be_worked_out_is_unknown_and_the_others_are_judged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A percentile that fails is no broken threshold, and none that holds."""
    fill(store)

    def percentile(_self: Histogram, _percent: float) -> float:
        raise ZeroDivisionError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(Histogram, "percentile", percentile)
        result = conclude(scenario("p95 < 1 s", "errors < 1 %"), store, FitnessLog(), run_facts())
    assert [row.ok for row in result.thresholds] == [None, True]
    assert "a fault of piswarm's own: ZeroDivisionError: on purpose" in result.thresholds[0].message
    assert result.verdict == "INVALID"


def test_what_of_run_db_can_not_be_read_costs_the_rest_nothing(store: Store) -> None:
    """The thresholds are unknown then, the verdict is not PASS, and the result says why."""
    fill(store)
    store._db.execute("DROP TABLE fitness")
    store._db.execute("DROP TABLE requests")
    result = conclude(scenario("p95 < 1 s"), store, fit_log(), run_facts())
    assert result.verdict == "INVALID"
    assert [row.ok for row in result.thresholds] == [None]
    assert any("no such table: requests" in fault for fault in result.faults)
    assert any("no such table: fitness" in fault for fault in result.faults)
    assert "no such table: requests" in result.reason


@pytest.mark.parametrize("response_ms", [0.0, 0.01, -3.0, float("nan"), float("inf"), 5e6, 3600e3, 1e300])
def test_however_silly_the_times_of_a_custom_client_are_there_is_a_verdict(response_ms: float, store: Store) -> None:
    """Nothing, less than the loop's lag, below nothing, no number, nanoseconds taken for milliseconds: what else was well is PASS."""
    fill(store, [own_clock_tally(response_ms, response_ms)])
    result = conclude(scenario("errors < 1 %"), store, fit_log(own_clock=2), run_facts())
    assert (result.verdict, result.faults) == ("PASS", [])
    json.loads(msgspec.json.encode(result))


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (["errors < 1 %"], "FAIL"),
        (["rate > 100/s"], "FAIL"),
        (["errors < 1 %", "p95 < 1 ms"], "FAIL"),
        (["errors < 90 %"], "INVALID"),
        (["errors < 90 %", "p95 < 1 ms"], "INVALID"),
    ],
)
def test_latencies_that_are_worth_nothing_excuse_no_failure(rules: list[str], verdict: str, store: Store) -> None:
    """They make a run INVALID that would be PASS else, or broken by a latency alone."""
    fill(store, [own_clock_tally(*[10.0] * 10, failed=2)])
    result = conclude(scenario(*rules), store, fit_log(own_clock=10, lag_ms=9.0), run_facts())
    assert checks(result)["latency_error"] is False
    assert result.verdict == verdict
    if verdict == "FAIL":
        assert result.reason.startswith(f"Broken: {rules[0]} (")
        assert "p95" not in result.reason.partition("Latencies are not judged")[0]
        assert "latency_error was" in result.reason


def test_failures_say_nothing_of_what_latencies_are_worth(store: Store) -> None:
    """They end by the worker's own clock with any client; a quarter of them is the target's fault, not the generator's."""
    refused = Tally(4, 1, 0, tally(10.0, 10.0, 10.0, 2.0).histogram, 1)
    fill(store, [refused])
    result = conclude(scenario("errors < 1 %"), store, fit_log(own_clock=1, lag_ms=9.0), run_facts())
    assert checks(result)["latency_error"] is True
    assert result.verdict == "FAIL"


def test_a_run_without_any_request_is_invalid_unless_something_was_seen_to_break(store: Store) -> None:
    """Nothing was set apart then, which does not excuse a rate of zero; and where nothing broke, nothing was judged."""
    fill(store, [])
    log = fit_log(requests=0)
    assert conclude(scenario("rate > 1/s"), store, log, run_facts()).verdict == "FAIL"
    assert conclude(scenario("errors < 1 %"), store, log, run_facts()).verdict == "INVALID"
    assert conclude(scenario(), store, log, run_facts()).verdict == "INVALID"
