"""What to do about what is broken: no check and no metric is without a text, and a text is one that can be followed."""

from __future__ import annotations

import pytest

from master.judge.generator.limits import CHECK_LIMITS
from master.report.advice import (
    CHECKS,
    FAULT,
    METRICS,
    NO_DATA,
    UNKNOWN_BASELINE,
    UNKNOWN_RULE,
    check_advice,
    rule_advice,
)
from master.scenario import rules
from master.scenario.rules import parse_threshold


def test_every_check_has_a_text() -> None:
    """The checks that have a text are those that a run can be judged by, which all have a limit."""
    assert set(CHECKS) == set(CHECK_LIMITS)


def test_every_metric_has_a_text() -> None:
    """Whatever a threshold can be on, there is a text for it, and none for what it can't be on."""
    metrics = {metric for metric in rules._METRICS if rules.percent_of(metric) is None}
    assert metrics | {"latency", "service", "baseline", rules.SERVICE_LOST, rules.EXIT_CODE} == set(METRICS)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("p95", "latency"),
        ("p99.95", "latency"),
        ("max", "latency"),
        ("service p99", "service"),
        ("errors", "errors"),
        ("lost", "lost"),
        (parse_threshold("p95 not worse than baseline by 10 %").metric, "baseline"),
        ("process_exit_code", "process_exit_code"),
    ],
)
def test_percentiles_have_one_text(metric: str, text: str) -> None:
    """All percentiles of latencies have one text, those of service times another, and other metrics their own."""
    assert rule_advice(metric, False, without_data=False) == METRICS[text]


def test_texts_are_short_sentences_of_their_own() -> None:
    """A text begins as a sentence does and ends as one; it is short enough to stand beside a row; two checks have no one text."""
    texts = [*CHECKS.values(), *METRICS.values(), UNKNOWN_BASELINE, UNKNOWN_RULE, NO_DATA, FAULT]
    assert all(text[0].isupper() and text.endswith(".") and 40 < len(text) < 240 for text in texts)
    assert len(set(CHECKS.values())) == len(CHECKS)


def test_there_is_advice_only_where_there_is_something_to_do() -> None:
    """What holds needs no advice, nor does what no node has a sensor for; no data and faults have their own."""
    assert check_advice("throttling", True, without_data=False, fault=False) == ""
    assert check_advice("throttling", None, without_data=False, fault=False) == ""
    assert check_advice("throttling", False, without_data=False, fault=False) == CHECKS["throttling"]
    assert check_advice("throttling", False, without_data=True, fault=False) == NO_DATA
    assert check_advice("throttling", None, without_data=False, fault=True) == FAULT
    assert rule_advice("p95", True, without_data=False) == ""
    assert rule_advice("p95", None, without_data=False) == UNKNOWN_RULE
    assert rule_advice("p95", False, without_data=False) == METRICS["latency"]
    against = parse_threshold("GET /a rate not worse than baseline by 10 %").metric
    assert rule_advice(against, None, without_data=False) == UNKNOWN_BASELINE
    assert rule_advice("nothing", False, without_data=False) == ""
