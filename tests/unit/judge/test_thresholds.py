"""Thresholds are parsed as written, and judged over the steady seconds, as a whole or window by window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.judge.seconds.second_facts import JudgedSecond
from master.judge.seconds.window import Second, Window
from master.judge.target.thresholds import Judge, ThresholdOutcome
from master.scenario.rules import Endpoint, Threshold, parse_threshold
from worker.load.histogram import EndpointStats, Histogram

GET = ("GET", "/x")
POST = ("POST", "/y z")


def tally(*latencies_ms: float, failed: int = 0) -> EndpointStats:
    made = EndpointStats(total=len(latencies_ms), failed=failed)
    for latency_ms in latencies_ms:
        made.histogram.add(latency_ms)
    return made


@dataclass(frozen=True)
class Answers:
    """Requests of each second, the seconds that are judged, and the users in them."""

    seconds: Mapping[int, Mapping[Endpoint, EndpointStats]]
    steady: Sequence[int]
    users: Mapping[int, float]


def answers(seconds: Mapping[int, Mapping[Endpoint, EndpointStats]], steady: range, users: float = 10) -> Answers:
    return Answers(seconds, steady, dict.fromkeys(steady, users))


def judged(rules: Sequence[Threshold], data: Answers, before_s: int | None = None) -> Judge:
    """A judge that was given the steady seconds, or those before `before_s`."""
    judge = Judge(rules)
    for second in data.steady:
        if before_s is None or second < before_s:
            judge.add(JudgedSecond(second, data.seconds.get(second, {}), data.users.get(second)))
    return judge


def outcome(rule: str, data: Answers) -> ThresholdOutcome:
    (found,) = judged([parse_threshold(rule)], data).outcomes()
    assert found.rule == rule
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate >= 600/s", (None, None, "rate", ">=", 600, None, False)),
        ("rate > 30/min", (None, None, "rate", ">", 0.5, None, False)),
        ("rate_per_user >= 0.3/s", (None, None, "rate_per_user", ">=", 0.3, None, False)),
        ("POST /auth/login p95 < 100 ms", ("POST", "/auth/login", "p95", "<", 100, None, False)),
        ("errors < 5 %", (None, None, "errors", "<", 0.05, None, False)),
        ("p99 < 500 ms over 10s, abort", (None, None, "p99", "<", 500, 10, True)),
        ("  max<=1.5 s over 1m,abort ", (None, None, "max", "<=", 1500, 60, True)),
        ("p999 < 1 s", (None, None, "p999", "<", 1000, None, False)),
        ("p99.95 < 1 s", (None, None, "p99.95", "<", 1000, None, False)),
        (
            "GET /items/{id} of a<b over all errors <= 0.1%",
            ("GET", "/items/{id} of a<b over all", "errors", "<=", 0.001, None, False),
        ),
        ("errors = 0", (None, None, "errors", "=", 0, None, False)),
        ("errors < 0", (None, None, "errors", "<", 0, None, False)),
        ("errors == 0 %, abort", (None, None, "errors", "==", 0, None, True)),
        ("exceptions = 0", (None, None, "exceptions", "=", 0, None, False)),
        ("exceptions < 10 over 1m", (None, None, "exceptions", "<", 10, 60, False)),
        ("exceptions = 0 (default)", (None, None, "exceptions", "=", 0, None, False, True)),
        ("GET /a=b?c==d errors = 0", ("GET", "/a=b?c==d", "errors", "=", 0, None, False)),
        ("WSR p95 p95 p50 < 1 ms", ("WSR", "p95 p95", "p50", "<", 1, None, False)),
    ],
)
def test_a_rule_is_read_into_base_units(text: str, expected: tuple[object, ...]) -> None:
    assert parse_threshold(text) == Threshold(text.strip(), *expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metric", "percent"),
    [
        ("p5", 5),
        ("p50", 50),
        ("p99", 99),
        ("p999", 99.9),
        ("p9999", 99.99),
        ("p99.5", 99.5),
        ("max", 100),
        ("rate", None),
    ],
)
def test_a_metric_names_its_percentile(metric: str, percent: float | None) -> None:
    assert Threshold("", None, None, metric, "<", 1).percent == percent


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p95", "has no comparison: write metric, then one of <, <=, >, >=, =, ==, then value"),
        ("", "has no comparison"),
        ("p95 => 100 ms", "'=>' is not a comparison"),
        ("p95 === 100 ms", "'===' is not a comparison"),
        ("p95 != 100 ms", "'!=' is not a comparison"),
        ("errors = 1", "errors: 1 has no unit"),
        ("errors = 1 (default)", "errors: '1 (default)' is not a percentage"),
        ("exceptions < 5 %", "exceptions: '5 %' is not a count: write a whole number from 0, e.g. 10"),
        ("exceptions < 0.5", "'0.5' is not a count"),
        ("exceptions < -1", "'-1' is not a count"),
        ("exceptions < 1e3", "'1e3' is not a count"),
        ("exceptions < 9999999999999999", "'9999999999999999' is not a count"),
        ("GET /x exceptions = 0", "exceptions belong to no endpoint: leave 'GET /x' out"),
        ("< 100 ms", "a metric is missing"),
        ("errrors < 5 %", "'errrors' is not a metric: use one of rate, rate_per_user, errors,"),
        ("errrors < 5 %", "did you mean 'errors'?"),
        ("P95 < 5 ms", "did you mean 'p95'?"),
        ("p0 < 5 ms", "'p0' is not a metric"),
        ("p100 < 5 ms", "'p100' is not a metric"),
        ("GET /x < 5 ms", "'/x' is not a metric"),
        ("/x p95 < 5 ms", "'/x' is not an endpoint: write method and name before the metric, e.g. POST /auth/login p95"),
        ("/x y p95 < 5 ms", "'/x y' is not an endpoint"),
        ("p95 <", "a value is missing"),
        ("p95 < , abort", "a value is missing"),
        ("p95 < 100", "p95: 100 has no unit: say the unit, e.g. 100 ms"),
        ("p95 < 5 %", "p95: '5 %' is not a latency: write a number and one of us, ms, s"),
        ("rate > 100 ms", "rate: '100 ms' is not a rate: write a number and one of /s, /min"),
        ("errors < 5/s", "errors: '5/s' is not a percentage: write a number and %"),
        ("errors < 101 %", "more than a percentage may be"),
        ("p95 < -5 ms", "is negative"),
        ("p95 < nan ms", "is not a latency"),
        ("p95 < 5 ms over", "after 'over': '' is not a duration"),
        ("p95 < 5 ms over 10", "after 'over': 10 has no unit"),
        ("p95 < 5 ms over 500ms", "a window is a whole number of seconds from 1s to 1h"),
        ("p95 < 5 ms over 2h", "a window is a whole number of seconds from 1s to 1h"),
        ("p95 < 5 ms over 1s over 2s", "after 'over'"),
        ("p95 < 5 ms, abbort", "'abbort' after the comma is not understood: only 'abort' can stand there"),
        ("p95 < 5 ms, abort, abort", "only 'abort' can stand there"),
        ("p95 < 5 ms abort", "is not a latency"),
        ("p95 < 1,5 s", "'5 s' after the comma is not understood"),
        ("p95\n< 5 ms", "a rule is one line"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_understood_says_which_part_and_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        parse_threshold(text)
    assert says in str(caught.value)
    assert repr(text.strip()) in str(caught.value)


DATA = answers(
    {
        0: {GET: tally(900, 900)},  # not steady
        1: {GET: tally(10, 10, 10), POST: tally(100, failed=1)},
        2: {GET: tally(10, 10, 20)},
        3: {},
        4: {GET: tally(10, 10, 10)},
    },
    range(1, 5),
)


@pytest.mark.parametrize(
    ("rule", "observed", "text", "ok"),
    [
        ("rate >= 2.5/s", 2.5, "2.5/s", True),
        ("rate > 2.5/s", 2.5, "2.5/s", False),
        ("rate_per_user >= 0.3/s", 0.25, "0.25/s", False),
        ("GET /x rate >= 2/s", 2.25, "2.25/s", True),
        ("errors < 5 %", 0.1, "10 %", False),
        ("errors <= 10 %", 0.1, "10 %", True),
        ("GET /x errors <= 0 %", 0.0, "0 %", True),
        ("POST /y z errors <= 0 %", 1.0, "100 %", False),
        ("errors = 0", 0.1, "10 %", False),
        ("GET /x errors = 0", 0.0, "0 %", True),
        ("rate == 2.5/s", 2.5, "2.5/s", True),
        ("exceptions = 0", 0.0, "0", True),
        ("exceptions > 0", 0.0, "0", False),
        ("max < 101 ms", 100.0, "100 ms", True),
        ("GET /x max < 20 ms", 20.0, "20 ms", False),
    ],
)
def test_a_rule_is_judged_over_all_steady_seconds(rule: str, observed: float, text: str, ok: bool) -> None:
    found = outcome(rule, DATA)
    assert (found.observed, found.observed_text, found.ok, found.message) == (observed, text, ok, "")


@pytest.mark.parametrize(
    ("rule", "observed_ms", "ok"),
    [("p50 < 11 ms", 10, True), ("p90 < 20.5 ms", 20, True), ("GET /x p99 < 15 ms", 20, False)],
)
def test_a_percentile_is_that_of_all_requests_together(rule: str, observed_ms: float, ok: bool) -> None:
    found = outcome(rule, DATA)
    assert found.observed == pytest.approx(observed_ms, rel=0.01)
    assert found.ok is ok


def test_the_worst_window_of_an_equation_is_the_one_furthest_from_it() -> None:
    """The worst window of an equation is the one furthest from it, above or below: of 4, 3, 0 and 3 requests/s, the one with 0."""
    found = outcome("rate = 3/s over 1s", DATA)
    assert (found.observed, found.ok) == (0.0, False)
    assert "from 3 s" in found.message
    assert outcome("rate = 1/s over 1s", DATA).observed == 4.0


@pytest.mark.parametrize(
    ("rule", "data", "says"),
    [
        ("POST /x p95 < 5 ms", DATA, "POST /x was never requested; did you mean"),
        ("POST /gone rate < 5/s", DATA, "POST /gone was never requested"),
        ("errors < 5 %", answers({}, range(5)), "no requests"),
        ("max < 5 ms", answers({}, range(5)), "no requests"),
        ("p95 < 5 ms over 2s", answers({}, range(5)), "no requests"),
        ("rate >= 0/s", answers({1: {GET: tally(1)}}, range(0)), "no steady seconds"),
        ("p95 < 5 ms over 10s", DATA, "no 10s on end were measured"),
        ("rate_per_user > 0/s", answers({1: {GET: tally(1)}}, range(5), users=0), "no users ran"),
    ],
)
def test_a_rule_without_data_does_not_hold_and_says_why(rule: str, data: Answers, says: str) -> None:
    found = outcome(rule, data)
    assert (found.observed, found.observed_text, found.ok) == (None, "no data", False)
    assert says in found.message


FAILED = EndpointStats(total=4, failed=4, failures=tally(0.2, 0.2, 0.2, 0.2).histogram)
UNTIMED = EndpointStats(total=4, without_latency=4)
APART = EndpointStats(total=4)


@pytest.mark.parametrize(
    ("rule", "of_get", "users", "says"),
    [
        ("rate_per_user > 0/s", tally(1), None, "since it is not known how many users ran"),
        ("GET /x p95 < 5 ms", APART, 10, "since all 8 requests came from nodes while they were unfit"),
        ("GET /x max < 5 ms", APART, 10, "since all 8 requests came from nodes while they were unfit"),
        ("GET /x max < 5 ms over 2s", APART, 10, "since all 8 requests came from nodes while they were unfit"),
        ("GET /x max > 5 ms over 2s", APART, 10, "since all 8 requests came from nodes while they were unfit"),
        ("GET /x p95 < 5 ms", FAILED, 10, "since all 8 requests failed"),
        ("GET /x p95 < 5 ms over 1s", FAILED, 10, "since all 8 requests failed"),
        ("GET /x p50 < 5 ms", UNTIMED, 10, "since no request came with a response time"),
    ],
)
def test_a_rule_that_nobody_can_judge_is_unknown_and_neither_holds_nor_breaks(
    rule: str, of_get: EndpointStats, users: float | None, says: str
) -> None:
    """A rule without enough data is unknown, which is neither held nor broken, whatever other endpoints do."""
    data = Answers(
        {1: {GET: of_get, POST: tally(5)}, 2: {GET: of_get}}, range(1, 3), {} if users is None else {1: users}
    )
    found = outcome(rule, data)
    assert (found.observed, found.observed_text, found.ok) == (None, "unknown", None)
    assert found.message.startswith(f"unknown, {says}")


@pytest.mark.parametrize(
    ("rule", "apart_ms", "ok", "says"),
    [
        pytest.param(
            "max < 10 ms over 2s", 50.0, None, "unknown, 2 windows had no latency", id="it may have been the node"
        ),
        pytest.param("max < 10 ms over 2s", 8.0, True, "and hold it by the others'", id="a node only makes it longer"),
        pytest.param(
            "max < 4 ms over 2s", 50.0, False, "broken in the 2s from 0 s: 5 ms; 2 windows", id="broken elsewhere"
        ),
        pytest.param("max > 4 ms over 2s", 50.0, None, "unknown, 2 windows", id="longer is no proof of long"),
        pytest.param("errors < 1 % over 2s", 50.0, True, "worst in the 2s from 0 s: 0 %", id="errors need no latency"),
    ],
)
def test_windows_whose_latencies_were_all_set_apart_do_not_hold_a_rule_in_silence(
    rule: str, apart_ms: float, ok: bool | None, says: str
) -> None:
    """A rule does not hold silently when all latencies of some of its windows are excluded."""
    judge = Judge([parse_threshold(rule)])
    for second in range(9):
        unfit = 3 <= second <= 5
        apart = {GET: tally(apart_ms)} if unfit else {}
        judge.add(JudgedSecond(second, {GET: EndpointStats(total=1) if unfit else tally(5.0)}, 1, excluded=apart))
    (found,) = judge.outcomes()
    assert found.ok is ok
    assert found.message.startswith(says) or says in found.message
    assert found.observed is not None


@pytest.mark.parametrize(
    ("rule", "excluded_ms", "userspace_timed", "ok", "says"),
    [
        pytest.param("p90 < 10 ms", 2000.0, 0, None, "unknown, with the latencies of unfit nodes", id="a stall"),
        pytest.param("service p90 < 10 ms", 2000.0, 0, None, "unknown, with the latencies", id="by service times"),
        pytest.param("p90 < 10 ms", 2000.0, 1, True, "", id="one ended by the clock of a loop that lagged"),
        pytest.param("p50 < 10 ms", 2000.0, 0, True, "", id="a rule that the stall does not break"),
        pytest.param("p90 < 10 ms", 8.0, 0, True, "", id="excluded latencies that keep the rule"),
        pytest.param("p90 < 4 ms", 2000.0, 0, False, "", id="broken without them"),
        pytest.param("GET /x p90 < 10 ms", 2000.0, 0, None, "unknown, with the latencies", id="of one endpoint"),
        pytest.param("p90 < 10 ms over 3s", 2000.0, 0, None, "unknown, 3 windows, the first from 2 s", id="in windows"),
    ],
)
def test_a_rule_does_not_hold_because_the_end_of_a_stall_made_workers_unfit(  # the row of a table
    rule: str, excluded_ms: float, userspace_timed: int, ok: bool | None, says: str
) -> None:
    """Where exact latencies are excluded that would break a rule, it is unknown whether it holds: all answers come at once
    when a target has stalled, and the loops that handle them lag.
    """
    judge = Judge([parse_threshold(rule)])
    endpoint = ("GET", "/x")
    for second in range(9):
        excluded = tally(excluded_ms, excluded_ms)
        excluded.userspace_timed = userspace_timed
        stall = {endpoint: excluded} if second == 4 else {}
        judge.add(JudgedSecond(second, {endpoint: tally(5.0)}, 1, excluded=stall))
    (found,) = judge.outcomes()
    assert found.ok is ok
    assert found.message.startswith(says)


def test_an_endpoint_that_was_requested_outside_of_the_steady_part_was_not_never_requested() -> None:
    """An endpoint requested outside of the steady part is reported as such; one never requested may be misspelt."""
    judge = judged([parse_threshold("GET /once p99 < 100 ms"), parse_threshold("GET /onec p99 < 100 ms")], DATA)
    once, slip = judge.outcomes({("GET", "/once"): {"in the ramp": 1, "when the load had ended": 2}})
    assert once.message == "no request of GET /once in the steady part; 1 in the ramp, 2 when the load had ended"
    assert slip.message == "GET /onec was never requested; did you mean 'GET /once'?"
    assert (once.ok, slip.ok) == (False, False)


def test_seconds_of_which_the_users_are_not_known_are_left_out_of_a_rate_per_user() -> None:
    """Seconds whose users are unknown are left out of a rate per user with their requests, which would raise the rate."""
    data = Answers({second: {GET: tally(5, 5)} for second in range(4)}, range(4), {0: 4, 1: 4})
    assert outcome("rate_per_user >= 1/s", data).observed == 0.5
    assert outcome("rate_per_user >= 1/s over 2s", data).observed == 0.5


def test_a_latency_that_is_no_number_is_said_to_be_more_than_an_hour() -> None:
    found = outcome("max < 1 s", answers({0: {GET: tally(float("inf"))}}, range(1)))
    assert (found.observed, found.observed_text, found.ok) == (3600e3, "more than an hour", False)


def test_a_rate_without_any_request_is_zero() -> None:
    assert outcome("rate >= 1/s", answers({}, range(5))) == ThresholdOutcome(
        parse_threshold("rate >= 1/s"), 0.0, "0/s", ok=False
    )


STEP = answers({second: {GET: tally(*[50.0 if 10 <= second < 13 else 5.0] * 4)} for second in range(30)}, range(30))


def test_a_window_rule_must_hold_in_every_window_and_names_the_worst() -> None:
    found = outcome("max < 40 ms over 5s", STEP)
    assert (found.observed, found.ok) == (50, False)
    assert found.message == "broken in the 5s from 6 s: 50 ms"
    assert outcome("p50 < 40 ms over 20s", STEP).message == "worst in the 20s from 0 s: 5.039 ms"
    assert not outcome("p50 < 40 ms over 3s", STEP).ok


def test_a_window_never_spans_a_gap_between_holds() -> None:
    data = Answers({second: {GET: tally(5)} for second in range(40)}, [*range(5), *range(20, 28)], {})
    assert outcome("rate >= 1/s over 8s", data).message == "worst in the 8s from 20 s: 1/s"
    assert "no 9s on end" in outcome("rate >= 1/s over 9s", data).message


def test_a_window_without_requests_counts_as_no_rate_but_says_nothing_of_latency_and_errors() -> None:
    data = answers({0: {GET: tally(5)}, 9: {GET: tally(7)}}, range(10))
    assert outcome("rate >= 0.1/s over 3s", data).observed == 0
    assert outcome("max < 10 ms over 3s", data).observed == 7
    assert outcome("errors < 1 % over 3s", data).observed == 0


def test_a_window_uses_the_users_it_had() -> None:
    data = Answers({second: {GET: tally(5, 5)} for second in range(4)}, range(4), {0: 1, 1: 1, 2: 4, 3: 4})
    assert outcome("rate_per_user >= 1/s over 2s", data).observed == 0.5


windows = st.lists(st.lists(st.floats(0.01, 60_000), max_size=5), min_size=1, max_size=30)


@given(windows, st.integers(1, 10), st.sampled_from(["p50", "p99", "max", "rate"]))
def test_sliding_gives_what_merging_every_window_afresh_gives(
    seconds: list[list[float]], window_s: int, metric: str
) -> None:
    data = answers({second: {GET: tally(*values)} for second, values in enumerate(seconds)}, range(len(seconds)))
    rule = f"{metric} < 100 {'/s' if metric == 'rate' else 'ms'} over {window_s}s"
    expected = []
    for start_s in range(len(seconds) - window_s + 1):
        whole = tally(*[value for values in seconds[start_s : start_s + window_s] for value in values])
        if metric == "rate":
            expected.append(whole.total / window_s)
        elif whole.total:
            expected.append(whole.histogram.percentile(100 if metric == "max" else float(metric[1:])) or 0)
    found = outcome(rule, data)
    if metric == "max" and expected:
        assert found.observed == max(value for values in seconds for value in values)
    else:
        assert found.observed == (max(expected) if expected else None)


def test_seconds_out_of_order_are_refused() -> None:
    window = Window(5)
    window.add(3, Second())
    with pytest.raises(ValueError, match="second 3 after second 3"):
        window.add(3, Second())


def test_only_abort_rules_end_a_run_and_only_by_the_latest_window() -> None:
    rules = [parse_threshold("max < 40 ms over 3s"), parse_threshold("max < 40 ms over 3s, abort")]
    assert judged(rules, STEP, before_s=10).broken_abort() is None
    broken = judged(rules, STEP, before_s=11).broken_abort()
    assert broken is not None
    assert (broken.rule, broken.message) == (rules[1].text, "broken in the 3s from 8 s: 50 ms")
    assert judged(rules, STEP, before_s=16).broken_abort() is None
    assert judged(rules[:1], STEP, before_s=11).broken_abort() is None


def test_an_abort_rule_without_window_waits_for_ten_steady_seconds() -> None:
    rules = [parse_threshold("rate >= 5/s, abort")]
    assert judged(rules, STEP, before_s=9).broken_abort() is None
    broken = judged(rules, STEP, before_s=10).broken_abort()
    assert broken is not None
    assert (broken.observed, broken.message) == (4, "broken over the first 10 steady seconds: 4/s")


def test_nothing_is_aborted_for_an_endpoint_not_requested_yet() -> None:
    rules = [parse_threshold("GET /later rate >= 5/s over 3s, abort")]
    assert judged(rules, STEP, before_s=20).broken_abort() is None


def test_a_judge_that_is_asked_every_second_comes_to_the_same_as_one_asked_at_the_end() -> None:
    rules = [
        parse_threshold(text) for text in ("p95 < 40 ms", "GET /x max < 40 ms over 3s, abort", "rate > 3/s over 5s")
    ]
    judge = Judge(rules)
    broken_at = []
    for second in STEP.steady:
        judge.add(JudgedSecond(second, STEP.seconds[second], STEP.users[second]))
        judge.outcomes()
        if judge.broken_abort():
            broken_at.append(second)
    assert judge.outcomes() == judged(rules, STEP).outcomes()
    assert broken_at == [10, 11, 12, 13, 14]


def test_a_window_costs_no_second_that_left_it() -> None:
    window = Window(3)
    for second in range(1000):
        window.add(second, Second(tally(float(1000 - second)), 1))
    assert (window.start_s, window.tally.total, len(window.tally.histogram.buckets)) == (997, 3, 3)
    assert len(window._recent) == len(window._peaks._falling) == 3


def waits(*ages_ms: float) -> Histogram:
    made = Histogram()
    for age_ms in ages_ms:
        made.add(age_ms)
    return made


def hanging(rules: Sequence[str], until_s: int, hang_at_s: int = 10, answered: bool = True) -> Judge:
    """Ten users who are answered in 5 ms each second, until at `hang_at_s` their requests stay in flight for good."""
    judge = Judge([parse_threshold(rule) for rule in rules])
    for second in range(until_s):
        if second < hang_at_s:
            judge.add(JudgedSecond(second, {GET: tally(*[5.0] * 10)} if answered else {}, 10))
        else:
            age_ms = 1000.0 * (second + 1 - hang_at_s)
            judge.add(JudgedSecond(second, {}, 10, 0, {GET: waits(*[age_ms] * 10)}))
    return judge


@pytest.mark.parametrize(
    ("rule", "broken_at_s"),
    [
        pytest.param(
            "p95 < 500 ms over 10s, abort", 11, id="a percentile, once they have waited for longer than its limit"
        ),
        pytest.param("GET /x max < 3 s over 5s, abort", 14, id="the largest, likewise"),
        pytest.param("errors < 5 % over 10s, abort", 21, id="errors, once they are certainly as old as the window"),
        pytest.param("errors < 5 %, abort", 21, id="errors of all, after 10 s"),
        pytest.param("rate >= 5/s over 5s, abort", 13, id="a rate"),
    ],
)
def test_a_target_that_hangs_breaks_rules_while_its_requests_are_in_flight(rule: str, broken_at_s: int) -> None:
    """Requests in flight on a target that hangs count with their age, so that they break rules before any has failed."""
    broken = [until_s for until_s in range(10, 30) if hanging([rule], until_s).broken_abort()]
    assert broken == list(range(broken_at_s, 30))


def test_requests_in_flight_are_no_errors_while_answers_usually_take_so_long() -> None:
    """A request in flight is no error while answers usually take that long: a long poll of 30 s is none after 20 s, one
    after 61 s.
    """
    judge = Judge([parse_threshold("errors < 5 % over 10s, abort")])
    judge.add(JudgedSecond(0, {GET: tally(30_000.0)}, 1))
    for second in range(1, 11):
        judge.add(JudgedSecond(second, {}, 1, 0, {GET: waits(20_000.0)}))
    assert judge.broken_abort() is None
    judge.add(JudgedSecond(11, {}, 1, 0, {GET: waits(61_000.0)}))
    assert judge.broken_abort() is not None


def test_a_rule_that_wants_high_latencies_is_not_helped_by_what_is_in_flight() -> None:
    """Requests in flight don't help a rule that wants high latencies, since nobody knows how long they will have taken."""
    (found,) = hanging(["p50 > 1 s over 5s"], 16).outcomes()
    assert found.ok is False


def test_quick_failures_do_not_make_a_percentile_better_and_slow_ones_make_it_worse() -> None:
    """A percentile is the worse of two: that of the answers that did not fail, and that of all of them."""
    quick, slow = tally(*[100.0] * 10, failed=0), tally(*[100.0] * 10)
    quick.total, quick.failed, quick.failures = 100, 90, waits(*[0.5] * 90)
    slow.total, slow.failed, slow.failures = 12, 2, waits(30_000.0, 30_000.0)
    assert outcome("p95 < 1 s", answers({0: {GET: quick}}, range(1))).observed == pytest.approx(100, rel=0.01)
    assert outcome("p95 < 1 s", answers({0: {GET: slow}}, range(1))).observed == pytest.approx(30_000, rel=0.01)
    assert outcome("max < 1 s", answers({0: {GET: slow}}, range(1))).observed == 30_000


def test_exceptions_count_over_the_whole_run_and_in_windows_of_the_judged_part() -> None:
    """An exception in a ramp counts for the whole run, and in no window of the steady part."""
    rules = [parse_threshold("exceptions <= 2"), parse_threshold("exceptions <= 1 over 3s")]
    judge = Judge(rules)
    judge.add_unjudged(1)
    for second in range(9):
        judge.add(JudgedSecond(second, {GET: tally(5.0)}, 1, 1 if second in {2, 7} else 0))
    assert [found.observed for found in judge.outcomes()] == [3, 1]
    assert [found.ok for found in judge.outcomes()] == [False, True]


def test_an_endpoint_that_has_never_answered_breaks_its_abort_rule_too() -> None:
    """An endpoint that has never answered breaks its abort rule, since its requests in flight show that it was requested."""
    judge = Judge([parse_threshold("GET /x p95 < 1 s over 3s, abort")])
    for second in range(3):
        judge.add(JudgedSecond(second, {POST: tally(5.0)}, 1, 0, {GET: waits(1000.0 * (second + 1))}))
    assert judge.broken_abort() is not None
