"""The grammar of thresholds: `[METHOD NAME] metric op value [over WINDOW][, abort]`.

    rate >= 600/s
    POST /auth/login p95 < 100 ms
    errors < 5 %
    p99 < 500 ms over 10s, abort
    exceptions = 0
    GET /x service p99 < 100 ms      open model: from an arrival's actual start on, where p99 counts from its due time
    missed < 1 %                     open model: of all arrivals, those that no user was free for
    arrival_rate >= 990/s            open model: arrivals that were started
    cache_hits > 80 %                by the target's own counters
    p95 not worse than baseline by 10 %      beside the run that --baseline names; of errors in points

The comparison is the last one in the text, so an endpoint's name may hold any character; the metric is the word before it, with
`service` where that is before a percentile.
A scenario that has no rule of its own on all errors, or on exceptions, gets `errors = 0 (default)`, `exceptions = 0 (default)`;
one of the open model without a rule on missed arrivals gets `missed < 1 % (default)`.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from master.scenario.suggest import did_you_mean
from master.scenario.units import (
    format_count,
    format_duration,
    format_latency,
    format_rate,
    format_share,
    parse_count,
    parse_duration,
    parse_latency,
    parse_rate,
    parse_share,
)
from worker.printable import printable

Endpoint = tuple[str, str]
"""Method and name."""

MAX_WINDOW_S = 3600  # the judge keeps every second of a window in memory

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
}
_METRICS = (
    *("rate", "rate_per_user", "errors", "exceptions", "p50", "p90", "p95", "p99", "p999", "max"),
    *("service p95", "missed", "arrival_rate", "cache_hits"),
)
_RATES = {"rate", "rate_per_user", "arrival_rate"}
_SHARES = {"errors", "missed", "cache_hits"}
_OF_NO_ENDPOINT = {
    "exceptions": "exceptions belong to no endpoint",
    "missed": "missed arrivals have asked for no endpoint",
    "arrival_rate": "arrivals belong to no endpoint",
    "cache_hits": "the target counts the hits of its cache for all endpoints together",
}
SERVICE_LOST = "lost"
"""The metric of a required service: for how many seconds it was lost."""
EXIT_CODE = "process_exit_code"
"""The metric of what a locustfile judges itself."""
_UNITS_OF_FURTHER = {SERVICE_LOST: "s", EXIT_CODE: "code"}
"""Metrics of rules that no scenario has among its thresholds."""
_SERVICE = "service "
"""Before a percentile: of service times, in place of latencies."""
_OPEN_METRICS = {"missed", "arrival_rate"}
AGAINST_BASELINE = " worse than baseline"
"""Behind the metric of a rule that compares a run with its baseline."""
_COMPARED = ("rate", "errors", "p50", "p90", "p95", "p99")
_COMPARISON = re.compile(r"(?P<head>.*?)\bnot\s+worse\s+than\s+(?:the\s+)?baseline\b(?P<tail>.*)")
_DEFAULT_MARK = " (default)"
_DEFAULT_RULES = ("errors = 0", "exceptions = 0")
_OPEN_DEFAULT_RULES = (*_DEFAULT_RULES, "missed < 1 %")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One rule on the target's behaviour.

    `metric` is as written: `p95`, or `service p95` on service times. `limit` is in its base unit: requests or arrivals per second, a
    share (0 to 1), a number of exceptions that user code let through, or milliseconds. Of a rule against the baseline `metric` is
    `p95 worse than baseline`, and `limit` the share by which it may be. Without `method` and `name` the rule is on all requests. With `window_s` it must hold in
    every window of that many seconds. `default` rules are those that the scenario did not give; their text says so.
    """

    text: str
    method: str | None
    name: str | None
    metric: str
    op: str
    limit: float
    window_s: int | None = None
    abort: bool = False
    default: bool = False

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint, or None for all requests."""
        return None if self.method is None or self.name is None else (self.method, self.name)

    @property
    def percent(self) -> float | None:
        """Percentile of a latency or service time (100 for `max`); None for other metrics."""
        return percent_of(self.metric)

    @property
    def compared_metric(self) -> str | None:
        """The metric that a rule against the baseline is on, such as `p95`; None for all other rules."""
        return self.metric.removesuffix(AGAINST_BASELINE) if self.metric.endswith(AGAINST_BASELINE) else None

    @property
    def on_latency(self) -> bool:
        """Whether the rule is on latencies or service times, of this run or beside the baseline's."""
        return percent_of(self.metric.removesuffix(AGAINST_BASELINE)) is not None

    @property
    def on_service_time(self) -> bool:
        """Whether the rule is on service times, which count from a request's actual start."""
        return self.metric.startswith(_SERVICE)

    @property
    def unit(self) -> str:
        """The base unit, as keys of result.json have it: per_s, share, count, ms; s or code of a rule that is no scenario's."""
        if self.metric in _RATES:
            return "per_s"
        if self.metric in _SHARES or self.compared_metric is not None:
            return "share"
        return "count" if self.metric == "exceptions" else _UNITS_OF_FURTHER.get(self.metric, "ms")

    def is_worse(self, value: float, than: float) -> bool:
        """Whether `value` is further from satisfying the rule: for `=`, further from the limit."""
        if self.op.startswith("="):
            return abs(value - self.limit) > abs(than - self.limit)
        return value < than if self.op.startswith(">") else value > than

    def holds(self, value: float) -> bool:
        """Whether `value`, in the base unit, satisfies the rule."""
        return _OPERATORS[self.op](value, self.limit)

    def show(self, value: float) -> str:
        """`value` with its unit, for people."""
        if self.metric in _RATES:
            return format_rate(value)
        if self.metric == "exceptions":
            return format_count(value)
        if self.metric in _SHARES or self.compared_metric is not None:
            return format_share(value)
        return format_latency(value)


@functools.lru_cache(maxsize=256)  # a rule is asked for it each second of a run
def percent_of(metric: str) -> float | None:
    """The percentile behind a metric: 95 for `p95` and `service p95`, 99.9 for `p999` and `p99.9`, 100 for `max`, else None."""
    metric = metric.removeprefix(_SERVICE)
    if metric == "max":
        return 100.0
    if re.fullmatch(r"p99[0-9]{1,3}", metric):
        return float(f"99.{metric[3:]}")
    if re.fullmatch(r"p[0-9]{1,2}(\.[0-9]{1,3})?", metric):
        return float(metric[1:]) or None
    return None


def parse_threshold(value: object) -> Threshold:
    """The rule that `value` spells out. Raises ValueError with what was not understood and what is allowed there."""
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is not a rule: write it as text, e.g. "errors < 5 %"')  # noqa: TRY004 - pydantic wants it
    text = value.strip()
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError(f"{text!r}: a rule is one line of text")
    if found := _COMPARISON.fullmatch(text):
        return _parse_against_baseline(text, found["head"], found["tail"])
    default = text.endswith(_DEFAULT_MARK) and text.removesuffix(_DEFAULT_MARK) in _OPEN_DEFAULT_RULES
    rule = text.removesuffix(_DEFAULT_MARK) if default else text
    comparisons = list(re.finditer(r"[<>=!]+", rule))
    if not comparisons:
        raise ValueError(f"{text!r} has no comparison: write metric, then one of {', '.join(_OPERATORS)}, then value")
    op = comparisons[-1].group()
    if op not in _OPERATORS:
        raise ValueError(f"{text!r}: {op!r} is not a comparison: use one of {', '.join(_OPERATORS)}")
    # Names as they are known here: with what can't be seen made visible.
    subject = rule[: comparisons[-1].start()]
    head = printable(subject.rstrip()) + " " * (len(subject) - len(subject.rstrip()))
    tail = re.sub(r"\s", " ", rule[comparisons[-1].end() :])
    text = f"{head}{op}{tail}{_DEFAULT_MARK if default else ''}"
    method, name, metric = _subject(text, head)
    limit_text, window_s, abort = _tail(text, tail)
    try:
        limit = _limit_parser(metric)(limit_text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {metric}: {error}") from None
    if metric == "cache_hits" and (window_s is not None or abort):
        # The target is asked for its counters where the steady part begins and where it ends.
        asked = "'abort'" if window_s is None else "'over'"
        raise ValueError(f"{text!r}: cache_hits is known of the whole steady part alone: leave {asked} out")
    return Threshold(text, method, name, metric, op, limit, window_s, abort, default)


def _parse_against_baseline(text: str, head: str, tail: str) -> Threshold:
    text = " ".join(text.split())
    method, name, metric = _subject(text, printable(head))
    if metric not in _COMPARED:
        raise ValueError(f"{text!r}: {metric} is not compared with a baseline: use one of {', '.join(_COMPARED)}")
    by, *flags = (part.strip() for part in tail.split(","))
    found = re.fullmatch(r"by\s+(?P<limit>.+)", by)
    if found is None:
        raise ValueError(f"{text!r}: say by how much it may be worse: {metric} not worse than baseline by 10 %")
    if flags or " over " in by:
        left_out = "'over'" if " over " in by else repr(", ".join(flags))
        raise ValueError(f"{text!r}: runs are compared when the load has ended, as a whole: leave {left_out} out")
    try:
        limit = _parse_share(found["limit"])
    except ValueError as error:
        raise ValueError(f"{text!r}: {metric}: {error}") from None
    return Threshold(text, method, name, metric + AGAINST_BASELINE, "<=", limit)


def with_limit(rule: Threshold, limit: float) -> Threshold:
    """The same rule with another limit, in the base unit; its text is written anew."""
    words = [*(rule.endpoint or ()), rule.metric, rule.op, rule.show(limit)]
    window = [] if rule.window_s is None else ["over", format_duration(rule.window_s)]
    return parse_threshold(" ".join([*words, *window]) + (", abort" if rule.abort else ""))


def with_defaults(rules: Iterable[Threshold], *, open_model: bool = False) -> tuple[Threshold, ...]:
    """`rules`, followed by the default ones for what none of them is about; a rule on one endpoint's errors is not on all."""
    own = [rule for rule in rules if not rule.default]
    metrics = {rule.metric for rule in own if rule.endpoint is None}
    texts = _OPEN_DEFAULT_RULES if open_model else _DEFAULT_RULES
    defaults = (parse_threshold(text + _DEFAULT_MARK) for text in texts)
    return (*own, *(rule for rule in defaults if rule.metric not in metrics))


def find_model_fault(rule: Threshold, *, open_model: bool) -> str | None:
    """Why `rule` has no meaning in the open or the closed model, or None when it has."""
    if open_model:
        return None
    if rule.on_service_time:
        plain = rule.metric.removeprefix(_SERVICE)
        return f"{rule.text!r}: where users wait for their answers, latency is service time: write {plain}"
    if rule.metric in _OPEN_METRICS:
        instead = "rate" if rule.metric == "arrival_rate" else "errors, or on rate"
        return (
            f"{rule.text!r}: {rule.metric} is of the open model, and here users wait for their answers: "
            f"give load a rate in place of users, or write a rule on {instead}"
        )
    return None


def _subject(text: str, head: str) -> tuple[str | None, str | None, str]:
    words = head.split()
    if not words:
        raise ValueError(f"{text!r}: a metric is missing before the comparison: {_allowed()}")
    metric = words[-1]
    if metric not in _METRICS and percent_of(metric) is None:
        raise ValueError(f"{text!r}: {metric!r} is not a metric: {_allowed()}{_near_metric(words)}")
    before = words[:-1]
    rest = head.strip()[: -len(metric)].strip()
    # After a method alone the word is the endpoint's name.
    if before[-1:] == [_SERVICE.strip()] and percent_of(metric) is not None and len(before) != 2:
        metric, before = _SERVICE + metric, before[:-1]
        rest = rest.removesuffix(_SERVICE.strip()).strip()
    if not before:
        return None, None, metric
    method, *name = rest.split(maxsplit=1)
    if not name or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", method):
        raise ValueError(
            f"{text!r}: {' '.join(before)!r} is not an endpoint: write method and name before the metric, "
            f"e.g. POST /auth/login {metric}"
        )
    if metric in _OF_NO_ENDPOINT:
        raise ValueError(f"{text!r}: {_OF_NO_ENDPOINT[metric]}: leave {' '.join(before)!r} out")
    return method, name[0], metric


def _near_metric(words: list[str]) -> str:
    """The metric that may be meant by the last of `words`, also where it is written as two words, or in one."""
    metric = words[-1]
    in_one = re.fullmatch(r"service(?:_time)?[_-](p[0-9.]+|max)", metric)
    if in_one and percent_of(in_one[1]) is not None:
        return f"; did you mean {_SERVICE + in_one[1]!r}?"
    if metric == "service" and len(words) > 1 and percent_of(words[-2]) is not None:
        return f"; did you mean {_SERVICE + words[-2]!r}?"
    in_two = "_".join(words[-2:])
    return f"; did you mean {in_two!r}?" if in_two in _METRICS else did_you_mean(metric, _METRICS)


def _tail(text: str, tail: str) -> tuple[str, int | None, bool]:
    rest, *flags = (part.strip() for part in tail.split(","))
    if flags and flags != ["abort"]:
        raise ValueError(
            f"{text!r}: {', '.join(flags)!r} after the comma is not understood: only 'abort' can stand there"
        )
    limit_text, *windows = re.split(r"\s+over\b", rest)
    if not limit_text:
        raise ValueError(f"{text!r}: a value is missing after the comparison")
    if not windows:
        return limit_text, None, bool(flags)
    try:
        window_s = parse_duration(" over".join(windows).strip())
    except ValueError as error:
        raise ValueError(f"{text!r}: after 'over': {error}") from None
    if not window_s.is_integer() or not 1 <= window_s <= MAX_WINDOW_S:
        raise ValueError(f"{text!r}: a window is a whole number of seconds from 1s to 1h")
    return limit_text, int(window_s), bool(flags)


def _limit_parser(metric: str) -> Callable[[object], float]:
    if metric in _RATES:
        return parse_rate
    if metric == "exceptions":
        return parse_count
    return _parse_share if metric in _SHARES else parse_latency


def _parse_share(value: object) -> float:
    return 0.0 if value == "0" else parse_share(value)  # none is none, in whatever unit


def _allowed() -> str:
    return f"use one of {', '.join(_METRICS)} (any pNN or pNN.N)"
