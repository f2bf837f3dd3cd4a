"""Thresholds of the open model: on service times, missed arrivals, the reached rate, and the target's cache."""

from pathlib import Path

import pytest

from master.errors import InputError
from master.scenario import Threshold, load_scenario, parse_threshold
from master.scenario.rules import find_model_fault, percent_of, with_defaults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("service p95 < 100 ms", (None, None, "service p95", "<", 100, None, False)),
        ("GET /x service p99.9 < 1 s over 10s, abort", ("GET", "/x", "service p99.9", "<", 1000, 10, True)),
        ("GET my service service max < 1 s", ("GET", "my service", "service max", "<", 1000, None, False)),
        ("GET service p99 < 1 s", ("GET", "service", "p99", "<", 1000, None, False)),
        ("missed < 1 %", (None, None, "missed", "<", 0.01, None, False)),
        ("missed = 0 over 10s, abort", (None, None, "missed", "=", 0, 10, True)),
        ("missed < 1 % (default)", (None, None, "missed", "<", 0.01, None, False, True)),
        ("arrival_rate >= 990/s", (None, None, "arrival_rate", ">=", 990, None, False)),
        ("arrival_rate >= 600/min over 1m", (None, None, "arrival_rate", ">=", 10, 60, False)),
        ("cache_hits > 80 %", (None, None, "cache_hits", ">", 0.8, None, False)),
    ],
)
def test_a_rule_is_read_into_base_units(text: str, expected: tuple[object, ...]) -> None:
    """The word service before a percentile is part of the metric; after a method alone it is the endpoint's name."""
    assert parse_threshold(text) == Threshold(text, *expected)  # type: ignore[arg-type]


def test_a_rule_knows_whether_it_is_on_service_times() -> None:
    """Percentiles are those of the same name on latencies."""
    assert parse_threshold("service p95 < 1 s").on_service_time
    assert not parse_threshold("p95 < 1 s").on_service_time
    assert [percent_of(metric) for metric in ("service p95", "service p999", "service max", "missed")] == [
        95,
        99.9,
        100,
        None,
    ]


@pytest.mark.parametrize(
    ("rule", "value", "shown"),
    [
        ("service p95 < 1 s", 12.5, "12.5 ms"),
        ("missed < 1 %", 0.005, "0.5 %"),
        ("arrival_rate > 1/s", 990.5, "990.5/s"),
        ("cache_hits > 80 %", 0.81, "81 %"),
    ],
)
def test_a_figure_is_shown_with_its_unit(rule: str, value: float, shown: str) -> None:
    """In the unit of its metric."""
    assert parse_threshold(rule).show(value) == shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("GET /x missed < 1 %", "'GET /x missed < 1 %': missed arrivals have asked for no endpoint: leave 'GET /x' out"),
        ("GET /x arrival_rate > 1/s", "arrivals belong to no endpoint: leave 'GET /x' out"),
        ("GET /x cache_hits > 80 %", "the target counts the hits of its cache for all endpoints together: leave 'GET /x' out"),
        ("cache_hits > 80 % over 10s", "cache_hits is known of the whole steady part alone: leave 'over' out"),
        ("cache_hits > 80 %, abort", "cache_hits is known of the whole steady part alone: leave 'abort' out"),
        ("missed < 1", "missed: 1 has no unit: say the unit, e.g. 5 %"),
        ("missed < 5/s", "missed: '5/s' is not a percentage: write a number and %, e.g. 5 %"),
        ("arrival_rate > 990", "arrival_rate: 990 has no unit: say the unit, e.g. 600/s; did you mean 990/s?"),
        ("service p95 < 5 %", "service p95: '5 %' is not a latency"),
        ("service errors < 5 %", "'service' is not an endpoint"),
        ("service_p99 < 5 ms", "did you mean 'service p99'?"),
        ("service_time_p99 < 5 ms", "did you mean 'service p99'?"),
        ("p99 service < 5 ms", "did you mean 'service p99'?"),
        ("GET /x p95 service < 5 ms", "did you mean 'service p95'?"),
        ("arrival rate > 5/s", "'arrival' is not an endpoint"),
        ("cache hits > 80 %", "did you mean 'cache_hits'?"),
        ("dropped_iterations = 0 %", "did you mean 'missed'?"),
        ("mised = 0 %", "did you mean 'missed'?"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_understood_says_what_is_allowed(text: str, says: str) -> None:
    """Rules that have no meaning are refused, and the nearest that has is named."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        parse_threshold(text)
    assert says in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("missed < 1 %", "missed is of the open model, and here users wait for their answers: give load a rate in place of users, or write a rule on errors, or on rate"),
        ("missed < 1 % (default)", "missed is of the open model"),
        ("arrival_rate > 1/s", "or write a rule on rate"),
        ("service p95 < 1 s", "where users wait for their answers, latency is service time: write p95"),
        ("GET /x service max < 1 s", "write max"),
        ("p95 < 1 s", None),
        ("cache_hits > 80 %", None),
    ],
)  # fmt: skip
def test_a_rule_of_the_open_model_is_refused_in_the_closed_one(text: str, says: str | None) -> None:
    """With the one that has its meaning there."""
    rule = parse_threshold(text)
    assert find_model_fault(rule, open_model=True) is None
    found = find_model_fault(rule, open_model=False)
    assert found is None if says is None else found is not None and says in found


def test_such_a_rule_is_named_with_its_line_beside_other_faults(tmp_path: Path) -> None:
    """Also where the rest of the file is wrong."""
    file = tmp_path / "case.yml"
    file.write_text(
        "target: embedded\nusers: {A: 1}\nload: [{users: 1, spawn_rate: 1, hold: 0s}]\n"
        "thresholds:\n  - p95 < 1 s\n  - missed < 1 %\n"
    )
    with pytest.raises(InputError) as caught:
        load_scenario(file, "A")
    rows = caught.value.message.splitlines()[1:]
    assert rows[0].startswith(f"  {file}:3: load: nothing to measure")
    assert rows[1].startswith(f"  {file}:6: thresholds[1]: 'missed < 1 %': missed is of the open model")


@pytest.mark.parametrize(
    ("rules", "defaults"),
    [
        ([], ["errors = 0 (default)", "exceptions = 0 (default)", "missed < 1 % (default)"]),
        (["missed < 5 %"], ["errors = 0 (default)", "exceptions = 0 (default)"]),
        (["missed < 1 % (default)"], ["errors = 0 (default)", "exceptions = 0 (default)", "missed < 1 % (default)"]),
    ],
)
def test_missed_arrivals_are_judged_where_no_rule_is_on_them(rules: list[str], defaults: list[str]) -> None:
    """In scenarios of the open model alone."""
    parsed = [parse_threshold(rule) for rule in rules]
    assert [rule.text for rule in with_defaults(parsed, open_model=True) if rule.default] == defaults
    assert "missed < 1 % (default)" not in [rule.text for rule in with_defaults(())]
