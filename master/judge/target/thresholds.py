"""Judging the target: whether the thresholds hold over the steady seconds.

`Judge` takes one closed second after the other and needs memory for the endpoints and the longest window only, so it serves
a live run of any length. The grammar of a rule is in `master.scenario.rules`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from master.judge.faults import fault_text
from master.judge.seconds.second_facts import JudgedSecond
from master.judge.seconds.window import Second, Window
from master.judge.target.metrics import measure, measure_answered
from master.scenario.rules import Endpoint, Threshold
from master.scenario.suggest import did_you_mean
from master.scenario.units import format_duration, rounded
from master.store.thinned.parts import WindowState
from worker.load.histogram import EndpointStats, Histogram

_NONE_UNJUDGED: Mapping[Endpoint, Mapping[str, int]] = {}

_ON_ARRIVALS = ("missed", "arrival_rate")
_HOUR_MS = 3600e3
ABORT_AFTER_S = 10  # judged seconds before a rule without window may end the run: fewer say little about a whole run


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """The outcome of one rule. `observed` is in its base unit, None without data; then `ok` is not True.

    For a rule with a window it is the worst window's. `message` says why there is no figure, or which window was worst.
    """

    threshold: Threshold
    observed: float | None
    observed_text: str
    ok: bool | None
    """None: it is unknown whether it holds."""
    message: str = ""

    @property
    def rule(self) -> str:
        """The rule's text."""
        return self.threshold.text

    @property
    def on_latency(self) -> bool:
        """Whether the rule is on latencies or service times."""
        return self.threshold.on_latency

    @property
    def broken(self) -> bool:
        """Whether something was observed that breaks it."""
        return self.ok is False and self.observed is not None


@dataclass(slots=True)
class _Counts:
    """What a rule is on, over all judged seconds."""

    total: int = 0
    failed: int = 0
    timed: int = 0
    """Response times that count."""
    without_latency: int = 0
    users: float = 0.0
    users_known: bool = False

    def add(self, second: Second) -> None:
        self.users_known = self.users_known or second.users is not None
        self.users += second.users or 0.0
        tally = second.tally
        if tally is not None:
            self.total += tally.total
            self.failed += tally.failed
            self.timed += tally.histogram.count
            self.without_latency += tally.without_latency


@dataclass(slots=True)
class _Rule:
    threshold: Threshold
    window: Window
    counts: _Counts
    worst: float | None = None
    worst_from_s: int = 0
    windows: int = 0
    longest_ms: float = 0.0
    """The longest answer so far."""
    had_requests: bool = False
    """Whether there was a request in any window."""
    had_arrivals: bool = False
    """Whether an arrival of the open model was due in any window."""
    excluded: Window | None = None
    """The excluded latencies of the same seconds, where the rule is on latencies."""
    all_excluded: int = 0
    """Windows with latencies that were all excluded."""
    hidden: int = 0
    """Windows that keep the rule only since some latencies are excluded."""
    unknown_from_s: int = 0
    """When the first of these began of which it is not known that it keeps the rule."""
    unknown_windows: int = 0
    """How many such windows there are."""
    lost: bool = False
    """Whether nothing is known of the windows of seconds that are kept no more one by one."""

    def add_window(self) -> None:
        """Measure the window that has just become complete."""
        if not self.window.complete:
            return
        self.windows += 1
        self.had_requests = self.had_requests or self.window.tally.total > 0
        self.had_arrivals = self.had_arrivals or self.window.offered > 0
        value = measure(self.threshold, self.window, self.longest_ms)
        if value is None:
            self._add_excluded_window()
            return
        if self.worst is None or self.threshold.is_worse(value, self.worst):
            self.worst, self.worst_from_s = value, self.window.start_s
        if self.threshold.holds(value) and self.with_excluded() is not None:
            self.hidden += 1
            self._note_unknown()

    def with_excluded(self) -> float | None:
        """The value of the window with its excluded latencies, where they are known to be right and the rule is broken by them.

        An answer's arrival is noted by the kernel, so that an event loop that lags makes no latency longer. What an unfit worker has
        measured in that way is excluded all the same, but must not hide a stall of the target: at its end all answers come at
        once, and the loops that handle them lag. So with arrivals that an unfit worker has missed.
        """
        window = self.window
        if self.threshold.metric == "missed":
            missed = window.no_free_user + window.unfit_missed
            broken = window.offered and not self.threshold.holds(missed / window.offered)
            return missed / window.offered if broken and window.unfit_missed else None
        if self.excluded is None or not self.excluded.tally.histogram.buckets or self.excluded.tally.userspace_timed:
            return None
        whole = EndpointStats.merged((self.window.tally, self.excluded.tally))
        value = measure_answered(self.threshold, whole)
        return None if value is None or self.threshold.holds(value) else value

    def _note_unknown(self) -> None:
        self.unknown_from_s = self.unknown_from_s if self.unknown_windows else self.window.start_s
        self.unknown_windows += 1

    def _add_excluded_window(self) -> None:
        """The window has no latency measured by a fit node: by those of the others it may be known all the same."""
        if self.excluded is None or not self.excluded.tally.histogram.buckets:
            return
        self.all_excluded += 1
        # What an unfit node measures is too long, if anything.
        longer = measure(self.threshold, self.excluded)
        if longer is None or not self.threshold.op.startswith("<") or not self.threshold.holds(longer):
            self._note_unknown()


_STATE = tuple(name for name in WindowState.__struct_fields__ if name != "rule")


class Judge:
    """Judges `thresholds` as the seconds of a run come in."""

    def __init__(self, thresholds: Iterable[Threshold]) -> None:
        self._windows: dict[tuple[Endpoint | None, int | None], Window] = {}
        self._counts: defaultdict[Endpoint | None, _Counts] = defaultdict(_Counts)
        self._rules = [
            _Rule(
                rule,
                self._windows.setdefault((rule.endpoint, rule.window_s), Window(rule.window_s)),
                self._counts[rule.endpoint],
            )
            for rule in thresholds
        ]
        self._excluded: dict[tuple[Endpoint | None, int | None], Window] = {}
        for rule in self._rules:
            if rule.threshold.percent is not None:
                key = (rule.threshold.endpoint, rule.threshold.window_s)
                rule.excluded = self._excluded.setdefault(key, Window(rule.threshold.window_s))
        self._requested: set[Endpoint] = set()
        self.seconds = 0

    def add(self, judged: JudgedSecond) -> None:
        """Add one judged second. Seconds come in ascending order, each once and complete."""
        self.seconds += 1
        self._note_requested(judged)
        of = self._seconds_of(judged)
        for endpoint, counts in self._counts.items():
            counts.add(of[endpoint])
        for (endpoint, _), window in self._windows.items():
            window.add(judged.second, of[endpoint])
        for (endpoint, _), window in self._excluded.items():
            window.add(judged.second, _excluded(judged, endpoint))
        for rule in self._rules:
            rule.longest_ms = max(rule.longest_ms, rule.window.tally.histogram.max_ms)
            if rule.threshold.window_s is not None:
                rule.add_window()

    def add_span(self, judged: JudgedSecond, span_s: int) -> None:
        """Add `span_s` judged seconds from that of `judged` on, which is all of them together: users are added up.

        Rules with a window learn nothing of them but whether there were requests: see `restore`.
        """
        self.seconds += span_s
        self._note_requested(judged)
        of = self._seconds_of(judged)
        for endpoint, counts in self._counts.items():
            counts.add(of[endpoint])
        for (endpoint, length_s), window in self._windows.items():
            if length_s is None:
                window.add_span(judged.second, span_s, of[endpoint])
        for (endpoint, length_s), window in self._excluded.items():
            if length_s is None:
                window.add_span(judged.second, span_s, _excluded(judged, endpoint))
        for rule in self._rules:
            rule.longest_ms = max(rule.longest_ms, rule.window.tally.histogram.max_ms)

    def restore(self, states: Iterable[WindowState], latest: Iterable[JudgedSecond]) -> None:
        """Let rules with a window go on from what is known of seconds that are not added, the `latest` of which are there.

        They are as long as the longest window, or all. A rule of which nothing is known is unknown for ever.
        """
        known = {state.rule: state for state in states}
        for rule in self._rules:
            if rule.threshold.window_s is None:
                continue
            state = known.get(rule.threshold.text)
            rule.lost = state is None
            for name in () if state is None else _STATE:
                setattr(rule, name, getattr(state, name))
        for judged in latest:
            of = self._seconds_of(judged)
            for (endpoint, length_s), window in self._windows.items():
                if length_s is not None:
                    window.add(judged.second, of[endpoint])
            for (endpoint, length_s), window in self._excluded.items():
                if length_s is not None:
                    window.add(judged.second, _excluded(judged, endpoint))

    @property
    def longest_window_s(self) -> int:
        """The longest window of any rule; 0 where none has one."""
        return max((rule.threshold.window_s or 0 for rule in self._rules), default=0)

    def states(self) -> list[WindowState]:
        """What is known of the rules with a window."""
        return [
            WindowState(rule.threshold.text, **{name: getattr(rule, name) for name in _STATE})
            for rule in self._rules
            if rule.threshold.window_s is not None and not rule.lost
        ]

    def _note_requested(self, judged: JudgedSecond) -> None:
        self._requested.update(endpoint for endpoint, tally in judged.tallies.items() if tally.total)
        self._requested.update(judged.waiting)

    def _seconds_of(self, judged: JudgedSecond) -> dict[Endpoint | None, Second]:
        """What it is to the rules on each endpoint, and to those on all of them."""
        tallies, waiting = judged.tallies, judged.waiting
        return {
            endpoint: Second(
                EndpointStats.merged(tallies.values()),
                judged.users,
                judged.exceptions,
                _all(waiting.values()),
                judged.arrivals,
            )
            if endpoint is None
            else Second(tallies.get(endpoint), judged.users, judged.exceptions, waiting.get(endpoint))
            for endpoint in self._counts
        }

    def add_unjudged(self, exceptions: int) -> None:
        """Exceptions of seconds that are not judged, in a ramp say: a rule without a window counts those of the whole run."""
        for (_, length_s), window in self._windows.items():
            if length_s is None:
                window.exceptions += exceptions

    def outcomes(self, unjudged: Mapping[Endpoint, Mapping[str, int]] = _NONE_UNJUDGED) -> list[ThresholdOutcome]:
        """One outcome per rule, in the rules' order, over all seconds so far; a fault in one makes that one unknown.

        `unjudged` has the requests of seconds that are not judged, by where those were.
        """
        found = []
        for rule in self._rules:
            try:
                lost = "since its windows of thinned seconds were never judged"
                found.append(unknown_outcome(rule.threshold, lost) if rule.lost else self._outcome(rule, unjudged))
            except Exception as error:  # noqa: BLE001  # whatever it is: the others are worth having
                found.append(unknown_outcome(rule.threshold, fault_text(error)))
        return found

    def broken_abort(self) -> ThresholdOutcome | None:
        """The first `abort` rule that is broken now: in the latest complete window, or else in everything so far."""
        for rule in self._rules:
            threshold = rule.threshold
            early = threshold.window_s is None and self.seconds < ABORT_AFTER_S
            if not threshold.abort or early or not rule.window.complete:
                continue
            if threshold.endpoint is not None and threshold.endpoint not in self._requested:
                continue
            value = measure(threshold, rule.window, rule.longest_ms, live=True)
            if value is not None and not threshold.holds(value):
                row = judged_outcome(threshold, value, rule.window.start_s)
                over = f"broken over the first {self.seconds} steady seconds: {row.observed_text}"
                return row if threshold.window_s is not None else replace(row, message=over)
        return None

    def _outcome(self, rule: _Rule, unjudged: Mapping[Endpoint, Mapping[str, int]]) -> ThresholdOutcome:
        threshold = rule.threshold
        missing = self._missing(rule, unjudged)
        if missing:
            return ThresholdOutcome(threshold, None, "no data", ok=False, message=missing)
        value = measure(threshold, rule.window) if threshold.window_s is None else rule.worst
        if value is None:
            return unknown_outcome(threshold, _unknown_reason(rule))
        row = judged_outcome(threshold, value, rule.worst_from_s)
        hidden = _hidden_text(rule) if row.ok else ""
        if hidden and rule.unknown_windows in {0, rule.hidden}:
            return replace(row, ok=None, message=f"unknown, {hidden}; {row.message or row.observed_text}")
        if not rule.all_excluded:
            return row
        excluded = f"{rule.all_excluded} windows had no latency that was measured by a fit node"
        if not row.ok or not rule.unknown_windows:
            return replace(
                row, message=f"{row.message}; {excluded}" + (", and hold it by the others'" if row.ok else "")
            )
        return replace(
            row, ok=None, message=f"unknown, {excluded}, the first from {rule.unknown_from_s} s; {row.message}"
        )

    def _missing(self, rule: _Rule, unjudged: Mapping[Endpoint, Mapping[str, int]]) -> str:
        """Why there is nothing that `rule` could be on, or an empty text."""
        threshold = rule.threshold
        if not self.seconds:
            return "no steady seconds were measured"
        if threshold.endpoint is not None and threshold.endpoint not in self._requested:
            return self._not_requested(threshold.endpoint, unjudged)
        if threshold.window_s is not None and not rule.windows:
            return f"no {format_duration(threshold.window_s)} on end were measured"
        if threshold.metric == "rate_per_user":
            return "no users ran" if rule.counts.users_known and not rule.counts.users else ""
        if threshold.metric in _ON_ARRIVALS:
            return (
                "" if rule.had_arrivals or rule.window.offered else "no arrivals were due: the load is no arrival rate"
            )
        asked = rule.had_requests or (threshold.window_s is None and rule.window.tally.total > 0)
        return "" if asked or threshold.metric in {"rate", "exceptions"} else "no requests"

    def _not_requested(self, endpoint: Endpoint, unjudged: Mapping[Endpoint, Mapping[str, int]]) -> str:
        asked, where = " ".join(endpoint), unjudged.get(endpoint, {})
        if where:
            counts = ", ".join(f"{count} {place}" for place, count in where.items())
            return f"no request of {asked} in the steady part; {counts}"
        names = [" ".join(each) for each in {*self._requested, *unjudged}]
        return f"{asked} was never requested{did_you_mean(asked, sorted(names))}"


def _excluded(judged: JudgedSecond, endpoint: Endpoint | None) -> Second:
    """The excluded latencies of a second, of an endpoint or of all."""
    excluded = judged.excluded
    return Second(EndpointStats.merged(excluded.values()) if endpoint is None else excluded.get(endpoint))


def _hidden_text(rule: _Rule) -> str:
    """Why a rule that holds might not, had nothing been excluded; an empty text where it would."""
    if rule.threshold.window_s is not None:
        if not rule.hidden:
            return ""
        left_out = "what unfit workers missed" if rule.threshold.metric == "missed" else "latencies of unfit nodes"
        return f"{rule.hidden} windows, the first from {rule.unknown_from_s} s, keep it only without {left_out}"
    value = rule.with_excluded()
    if value is None:
        return ""
    shown = rule.threshold.show(rounded(value, rule.threshold.holds))
    if rule.threshold.metric == "missed":
        return f"with what unfit workers missed, for whatever reason, it is {shown}"
    return f"with the latencies of unfit nodes, which are excluded, it is {shown}"


def _unknown_reason(rule: _Rule) -> str:
    """Why there is no figure, though there were requests."""
    counts = rule.counts
    all_of_them = f"all {counts.total} requests" if counts.total > 1 else "the only request"
    known_otherwise = {
        "rate_per_user": "since it is not known how many users ran",
        "cache_hits": "since the target has no counters of cache hits and misses",
    }
    if rule.threshold.metric in known_otherwise:
        return known_otherwise[rule.threshold.metric]
    if rule.threshold.compared_metric is not None:
        return "since the run is compared with its baseline when the load has ended"
    if counts.failed >= counts.total:
        return f"since {all_of_them} failed, which says nothing of how long an answer takes"
    if counts.total - counts.failed - counts.without_latency > 0 and not counts.timed:
        return f"since {all_of_them} came from nodes while they were unfit, and what these measured is excluded"
    if not counts.timed:
        return "since no request came with a response time"
    return "since no window had a latency that was measured by a fit node"


def unknown_outcome(threshold: Threshold, why: str) -> ThresholdOutcome:
    """The outcome of a rule of which it is unknown whether it holds."""
    return ThresholdOutcome(threshold, None, "unknown", ok=None, message=f"unknown, {why}")


def _all(histograms: Iterable[Histogram]) -> Histogram | None:
    whole = Histogram()
    for histogram in histograms:
        whole.merge(histogram)
    return whole if whole.buckets else None


def judged_outcome(threshold: Threshold, value: float, from_s: int = 0) -> ThresholdOutcome:
    """The outcome of a rule for the `value` that was observed, in its worst window from `from_s` on where it has one."""
    ok = threshold.holds(value)
    # Histograms tell nothing apart from an hour on; what is said to have taken for ever is no number for a reader.
    text = threshold.show(rounded(value, threshold.holds)) if math.isfinite(value) else "more than an hour"
    value = value if math.isfinite(value) else _HOUR_MS
    where = ""
    if threshold.window_s is not None:
        where = f"{'worst' if ok else 'broken'} in the {format_duration(threshold.window_s)} from {from_s} s: {text}"
    return ThresholdOutcome(threshold, value, text, ok, where)
