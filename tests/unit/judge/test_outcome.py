"""A run always ends with a verdict, whatever was measured and whatever fails while it is judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from judged_run import NODE, STEADY, fill, fit_log, run_facts, scenario
from report_example import tally

from master.judge.outcome import conclude
from master.judge.result import Result
from master.judge.seconds.fitness import FitnessLog
from master.judge.target.thresholds import ThresholdOutcome
from master.scenario import parse_threshold
from master.store import ExceptionRow, FitnessRow, Store
from worker.load.histogram import EndpointStats, Histogram


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


class Broken:
    """An object in place of a check's input, of which any use raises."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("broken on purpose")


PARTS = {
    "loop_lag_p99": "lag",
    "worker_cpu": "worker_cpu",
    "node_cpu": "node_cpu",
    "node_memory": "node_memory",
    "node_temperature": "temperature_c",
    "throttling": "throttled",
    "under_voltage": "under_voltage",
    "controller_cpu": "controller_cpu",
    "clock_error": "clock_error_ms",
    "missing_samples": "samples_missing",
    "nodes": "lost",
    "excluded_share": "requests_fit",
    "users": "exceptions",
    "local_errors": "local_errors",
    "latency_error": "lag_by_request",
    "doubtful_thresholds": "lag_when_fit",
}
"""What of a FitnessLog, or of the Store, each check reads, and no other."""


def break_check(name: str, log: FitnessLog, store: Store) -> None:
    """Make the input of a check unreadable."""
    if name == "local_errors":  # whose they were is read only where there are some
        store.put_fitness([FitnessRow(NODE, STEADY[0], 1.0, 20.0, 3, "", users=10, local_errors=1)])
    setattr(store if name in {"users", "local_errors"} else log, PARTS[name], Broken())


def checks(result: Result) -> dict[str, bool | None]:
    return {row.check: row.ok for row in result.validity}


def own_clock_tally(*latencies_ms: float, failed: int = 0) -> EndpointStats:
    """A tally of answers from a client whose own clock ends them, and of so many failures."""
    made = tally(*latencies_ms)
    made.userspace_timed = len(latencies_ms)
    made.total += failed
    made.failed = failed
    return made


def test_a_run_that_went_well_passes_every_check(store: Store) -> None:
    fill(store, [own_clock_tally(100.0, 120.0)])
    result = conclude(scenario("max < 1 s"), store, fit_log(userspace_timed=2), run_facts())
    assert (result.verdict, result.faults) == ("PASS", [])
    assert list(checks(result)) == list(PARTS)
    assert all(checks(result).values())


def with_fault(name: str, store: Store, *rules: str) -> Result:
    """The outcome of a healthy run whose check `name` has unreadable input."""
    fill(store, [own_clock_tally(100.0, 120.0)])
    log = fit_log(userspace_timed=2)
    break_check(name, log, store)
    return conclude(scenario(*rules), store, log, run_facts())


@pytest.mark.parametrize("name", PARTS)
def test_a_fault_in_one_check_makes_that_one_unknown_and_the_run_invalid(name: str, store: Store) -> None:
    """A fault in one validity check makes it unknown and the run INVALID, named as piswarm's own fault; other checks are made."""
    # That rule is over by less than any lag, so that what the lag may be in it is asked for.
    result = with_fault(name, store, "max < 119.9 ms", "errors < 1 %")
    assert checks(result) == dict.fromkeys(PARTS, True) | {"doubtful_thresholds": False, name: None}
    (row,) = [row for row in result.validity if row.check == name]
    assert row.fault
    assert row.observed_text == "unknown"
    assert "unknown, a fault of piswarm's own: " in row.message
    assert result.verdict == "INVALID"
    assert row.message in result.reason
    assert result.requests.total == 40
    json.loads(msgspec.json.encode(result))


@pytest.mark.parametrize("name", PARTS)
def test_no_run_passes_while_a_check_is_unknown_by_our_own_fault(name: str, store: Store) -> None:
    rule = "max < 119.9 ms" if name == "doubtful_thresholds" else "max < 1 s"
    assert with_fault(name, store, rule).verdict == "INVALID"


def test_a_rule_that_can_not_be_worked_out_is_unknown_and_the_others_are_judged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule whose percentile can't be computed is unknown, which is neither broken nor held, and other rules are judged."""
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
    """Where parts of run.db can't be read, the thresholds are unknown, the verdict is not PASS, and the result says why."""
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
    """A custom client's impossible times (zero, negative, NaN, infinite, too large) don't keep a healthy run from PASS."""
    fill(store, [own_clock_tally(response_ms, response_ms)])
    result = conclude(scenario("errors < 1 %"), store, fit_log(userspace_timed=2), run_facts())
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
    """Latencies that are mostly lag make a run INVALID if it would PASS or break a latency alone; other failures stay FAIL."""
    fill(store, [own_clock_tally(*[10.0] * 10, failed=2)])
    result = conclude(scenario(*rules), store, fit_log(userspace_timed=10, lag_ms=9.0), run_facts())
    assert checks(result)["latency_error"] is False
    assert result.verdict == verdict
    if verdict == "FAIL":
        assert result.reason.startswith(f"Broken: {rules[0]} (")
        assert "p95" not in result.reason.partition("The generator, besides")[0]
        assert "latency_error was" in result.reason


def test_failures_say_nothing_of_what_latencies_are_worth(store: Store) -> None:
    """Failures end by the worker's own clock with any client, so they don't make latencies doubtful and are the target's."""
    refused = EndpointStats(4, 1, 0, tally(10.0, 10.0, 10.0).histogram, 0, failures=tally(2.0).histogram)
    fill(store, [refused])
    result = conclude(scenario("errors < 1 %"), store, fit_log(lag_ms=9.0), run_facts())
    assert checks(result)["latency_error"] is True
    assert result.verdict == "FAIL"


def test_a_run_without_any_request_is_invalid_unless_something_was_seen_to_break(store: Store) -> None:
    """A run without any request FAILs by a rate of zero, which nothing excuses, and is INVALID where no threshold broke."""
    fill(store, [])
    log = fit_log(requests=0)
    assert conclude(scenario("rate > 1/s"), store, log, run_facts()).verdict == "FAIL"
    assert conclude(scenario("errors < 1 %"), store, log, run_facts()).verdict == "INVALID"
    assert conclude(scenario(), store, log, run_facts()).verdict == "INVALID"


@pytest.mark.parametrize(
    ("rule", "lag_ms", "verdict"),
    [
        pytest.param("errors < 20 %, abort", 9.0, "FAIL", id="errors"),
        pytest.param("p95 < 1 s, abort", 0.05, "FAIL", id="a latency"),
        pytest.param("p95 < 1 s, abort", 9.0, "INVALID", id="a latency that was the generator's"),
    ],
)
def test_the_rule_that_ended_a_run_is_its_verdict_whatever_all_of_it_comes_to(
    rule: str, lag_ms: float, verdict: str, store: Store
) -> None:
    """A rule that broke and ended the run gives the verdict, also if it holds again over the whole run."""
    fill(store, [own_clock_tally(10.0, 10.0)])
    at_the_time = ThresholdOutcome(parse_threshold(rule), 2000.0, "2 s", ok=False, message="broken then")
    log = fit_log(userspace_timed=2, lag_ms=lag_ms)
    result = conclude(scenario(rule, "rate > 1/s"), store, log, run_facts(broken_rule=at_the_time))
    assert result.verdict == verdict
    (row, _) = result.thresholds
    assert row.ok is False
    assert row.message.startswith("broken then, which ended the run; over all of it ")
    assert conclude(scenario(rule), store, fit_log(userspace_timed=2, lag_ms=0.05), run_facts()).verdict == "PASS"
    if verdict == "FAIL":
        assert f"{rule} (broken then, which ended the run" in result.reason


def test_an_endpoint_that_was_set_apart_makes_the_run_invalid_and_says_so(store: Store) -> None:
    """Where all requests of an endpoint are excluded, its rules are unknown and the run INVALID, though few of all are excluded."""
    fill(store)
    store.add_requests(10, ("GET", "/rare"), tally(400.0), fit=False)
    result = conclude(scenario("GET /rare max < 100 ms", "errors < 1 %"), store, fit_log(), run_facts())
    assert [row.ok for row in result.thresholds] == [None, True]
    assert result.verdict == "INVALID"
    assert (
        "GET /rare max < 100 ms (unknown, since the only request came from nodes while they were unfit" in result.reason
    )
    assert "not fit to measure" not in result.reason


def test_a_request_of_the_ramp_is_known_to_the_rule_on_its_endpoint(store: Store) -> None:
    fill(store)
    store.add_requests(1, ("GET", "/once"), tally(4.0), fit=True)
    result = conclude(scenario("GET /once p99 < 100 ms"), store, fit_log(), run_facts())
    assert result.thresholds[0].message == "no request of GET /once in the steady part; 1 in the ramp"
    assert result.verdict == "FAIL"


def test_what_really_happened_is_said_where_there_is_no_data(store: Store) -> None:
    """Without data a check says what happened: users that raised before a request, requests in flight, a run without a hold."""
    fill(store, [])
    log = fit_log(requests=0)

    def excluded(**facts: object) -> str:
        result = conclude(scenario(), store, log, run_facts(**facts))
        return next(row.message for row in result.validity if row.check == "excluded_share")

    assert excluded() == "excluded_share: no data: no request ended at all"
    store.add_exception(
        ExceptionRow("ApiUser", "RuntimeError", "on_start raises", "lf.py:7 in on_start", "raise", 40, 1.0)
    )
    store.put_fitness([FitnessRow("pi1", 9, 1.0, 20.0, 0, "", users=10, in_flight=6)])
    assert excluded() == (
        "excluded_share: no data: no request ended at all; up to 6 were in flight; 40 exceptions in the code of users,"
        " most often of ApiUser: RuntimeError: on_start raises (lf.py:7 in on_start)"
    )
    store.add_requests(1, ("GET", "/x"), tally(4.0), fit=True)
    assert "no request ended in the steady part, 1 outside of it; up to 6" in excluded()
    assert "the load was never held for a whole second" in excluded(steady_seconds=[])
    store._db.execute("DELETE FROM fitness")
    assert excluded() == "excluded_share: no data: no worker reported anything"


def test_users_that_all_raise_are_a_failure_by_their_exceptions(store: Store) -> None:
    """When all users raise before a request, the run FAILs with their exceptions, and not for want of a fit generator."""
    fill(store, [])
    for second in STEADY:
        store.put_fitness([FitnessRow("pi1", second, 1.0, 20.0, 0, "", users=0, exceptions=2)])
    store.add_exception(ExceptionRow("ApiUser", "RuntimeError", "on_start raises", "", "", 30, 1.0))
    facts = run_facts(silent_classes=["ApiUser"])
    result = conclude(scenario("exceptions = 0", "errors < 1 %"), store, fit_log(requests=0), facts)
    assert result.verdict == "FAIL"
    assert result.reason.startswith("Broken: exceptions = 0 (30)")


@pytest.mark.parametrize(("check", "facts"), [("users", {"silent_classes": ["Idle"]}), ("local_errors", {})])
def test_a_load_that_was_not_what_the_scenario_asks_for_is_no_pass(
    check: str, facts: dict[str, object], store: Store
) -> None:
    fill(store)
    if check == "local_errors":
        row = FitnessRow("pi1", 9, 1.0, 20.0, 3, "EMFILE: no descriptor", users=10, local_errors=4)
        store.put_fitness([row])
    result = conclude(scenario("errors < 1 %"), store, fit_log(), run_facts(**facts))
    assert result.verdict == "INVALID"
    assert [row.check for row in result.validity if row.ok is False] == [check]
