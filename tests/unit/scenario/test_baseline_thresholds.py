"""Thresholds against a baseline: how they are written, and what of them is refused."""

from __future__ import annotations

import pytest

from master.scenario import parse_threshold
from master.scenario.rules import with_defaults


@pytest.mark.parametrize(
    ("text", "endpoint", "metric", "limit"),
    [
        ("p95 not worse than baseline by 10 %", None, "p95", 0.1),
        ("  rate  not worse than  the baseline by 5% ", None, "rate", 0.05),
        ("errors not worse than baseline by 0.5 %", None, "errors", 0.005),
        ("POST /auth/login p99 not worse than baseline by 15 %", ("POST", "/auth/login"), "p99", 0.15),
        ("GET /a < b p50 not worse than baseline by 0", ("GET", "/a < b"), "p50", 0.0),
    ],
)
def test_a_rule_against_the_baseline_says_by_how_much_a_metric_may_be_worse(
    text: str, endpoint: tuple[str, str] | None, metric: str, limit: float
) -> None:
    """A rule against the baseline has a metric, an endpoint where it names one, and a share."""
    rule = parse_threshold(text)
    assert (rule.endpoint, rule.compared_metric, rule.limit) == (endpoint, metric, limit)
    assert rule.unit == "share"
    assert rule.percent is None
    assert rule.on_latency is metric.startswith("p")
    assert rule.holds(limit)
    assert not rule.holds(limit + 0.01)
    assert parse_threshold(rule.text) == rule


def test_other_rules_are_not_against_the_baseline() -> None:
    """What has a comparison is a rule of its own, also where an endpoint's name has the words."""
    rule = parse_threshold("GET /not/worse/than/baseline p95 < 5 ms")
    assert rule.compared_metric is None
    assert rule.on_latency


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p95 not worse than baseline", "say by how much"),
        ("p95 not worse than baseline 10 %", "say by how much"),
        ("p95 not worse than baseline by 10 ms", "p95: "),
        ("p95 not worse than baseline by 10 %, abort", "leave 'abort' out"),
        ("p95 not worse than baseline by 10 % over 10s", "leave 'over' out"),
        ("p42 not worse than baseline by 10 %", "p42 is not compared with a baseline: use one of rate, errors, p50"),
        ("service p95 not worse than baseline by 10 %", "service p95 is not compared"),
        ("exceptions not worse than baseline by 10 %", "exceptions is not compared"),
        ("not worse than baseline by 10 %", "a metric is missing"),
        ("/login p95 not worse than baseline by 10 %", "is not an endpoint"),
    ],
)
def test_what_can_t_be_judged_beside_a_baseline_is_refused(text: str, said: str) -> None:
    """A rule that can't be understood, or not be judged by a comparison of whole runs, is refused with what to write."""
    with pytest.raises(ValueError, match=said):
        parse_threshold(text)


def test_a_rule_against_the_baseline_is_none_on_all_errors() -> None:
    """A scenario whose only rule on errors is one against the baseline still has the default on errors."""
    rules = with_defaults([parse_threshold("errors not worse than baseline by 1 %")])
    assert "errors = 0 (default)" in [rule.text for rule in rules]
