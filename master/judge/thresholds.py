"""Judging the target: whether the thresholds hold over the steady seconds.

`Judge` takes one closed second after the other and needs memory for the endpoints and the longest window only, so it serves
a live run of any length. The grammar of a rule is in `master.scenario.rules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from master.judge.faults import fault_text
from master.judge.metrics import measure
from master.judge.window import Second, Window
from master.scenario.rules import Endpoint, Threshold
from master.scenario.suggest import did_you_mean
from master.scenario.units import format_duration, rounded
from worker.histogram import Histogram, Tally

_NONE: Mapping[Endpoint, Histogram] = {}

ABORT_AFTER_S = 10  # judged seconds before a rule without window may end the run: fewer say little about a whole run


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """What became of one rule. `observed` is in the rule's base unit, None without data; then `ok` is not True.

    For a rule with a window it is the worst window's. `message` says why there is no figure, or which window was worst.
    """

    rule: str
    observed: float | None
    observed_text: str
    ok: bool | None
    """None: it is unknown whether it holds."""
    message: str = ""
    on_latency: bool = False

    @property
    def broken(self) -> bool:
        """Whether something was observed that breaks it."""
        return self.ok is False and self.observed is not None


@dataclass(slots=True)
class _Rule:
    threshold: Threshold
    window: Window
    worst: float | None = None
    worst_from_s: int = 0
    windows: int = 0
    longest_ms: float = 0.0
    """The longest answer so far."""

    def look(self) -> None:
        """Take note of the window that has just become complete."""
        if not self.window.complete:
            return
        self.windows += 1
        value = measure(self.threshold, self.window, self.longest_ms)
        if value is None:
            return
        if self.worst is None or self.threshold.is_worse(value, self.worst):
            self.worst, self.worst_from_s = value, self.window.start_s


class Judge:
    """Judges `thresholds` as the seconds of a run come in."""

    def __init__(self, thresholds: Iterable[Threshold]) -> None:
        self._windows: dict[tuple[Endpoint | None, int | None], Window] = {}
        self._rules = [
            _Rule(rule, self._windows.setdefault((rule.endpoint, rule.window_s), Window(rule.window_s)))
            for rule in thresholds
        ]
        self._requested: set[Endpoint] = set()
        self.seconds = 0

    def add(
        self,
        second_s: int,
        tallies: Mapping[Endpoint, Tally],
        users: float | None,
        exceptions: int = 0,
        waiting: Mapping[Endpoint, Histogram] = _NONE,
    ) -> None:
        """Add one judged second: what was requested in it, the number of users (None: not known), and exceptions of theirs.

        `waiting` are the ages of requests in flight at its end, see master.judge.window.Second. Seconds come in ascending order, each
        once and complete; the tallies must not change afterwards.
        """
        self.seconds += 1
        self._requested.update(endpoint for endpoint, tally in tallies.items() if tally.total)
        overall: Second | None = None
        for (endpoint, _), window in self._windows.items():
            if endpoint is not None:
                window.add(second_s, Second(tallies.get(endpoint), users, exceptions, waiting.get(endpoint)))
                continue
            if overall is None:
                overall = Second(_together(tallies.values()), users, exceptions, _all(waiting.values()))
            window.add(second_s, overall)
        for rule in self._rules:
            rule.longest_ms = max(rule.longest_ms, rule.window.tally.histogram.max_ms)
            if rule.threshold.window_s is not None:
                rule.look()

    def add_unjudged(self, exceptions: int) -> None:
        """Exceptions of a second that is not judged, in a ramp say: a rule without a window counts those of the whole run."""
        for (_, length_s), window in self._windows.items():
            if length_s is None:
                window.exceptions += exceptions

    def outcomes(self) -> list[ThresholdOutcome]:
        """One outcome per rule, in the rules' order, over all seconds so far; a fault in one makes that one unknown."""
        found = []
        for rule in self._rules:
            try:
                found.append(self._outcome(rule))
            except Exception as error:  # noqa: BLE001  # whatever it is: the others are worth having
                found.append(unknown(rule.threshold, fault_text(error)))
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
                return _judged(threshold, value, rule.window.start_s)
        return None

    def _outcome(self, rule: _Rule) -> ThresholdOutcome:
        threshold = rule.threshold
        missing = self._missing(rule)
        if missing:
            on_latency = threshold.percent is not None
            return ThresholdOutcome(threshold.text, None, "no data", ok=False, message=missing, on_latency=on_latency)
        if threshold.window_s is not None:
            assert rule.worst is not None
            return _judged(threshold, rule.worst, rule.worst_from_s)
        value = measure(threshold, rule.window)
        assert value is not None
        return _judged(threshold, value, 0)

    def _missing(self, rule: _Rule) -> str:
        """Why there is nothing to judge `rule` by, or an empty text."""
        threshold = rule.threshold
        if not self.seconds:
            return "no steady seconds were measured"
        if threshold.endpoint is not None and threshold.endpoint not in self._requested:
            names = [" ".join(endpoint) for endpoint in self._requested]
            asked = " ".join(threshold.endpoint)
            return f"{asked} was never requested{did_you_mean(asked, names)}"
        if threshold.window_s is not None and not rule.windows:
            return f"no {format_duration(threshold.window_s)} on end were measured"
        value = rule.worst if threshold.window_s is not None else measure(threshold, rule.window)
        if value is not None:
            return ""
        return "no users ran" if threshold.metric == "rate_per_user" else "no requests"


def unknown(threshold: Threshold, why: str) -> ThresholdOutcome:
    """The outcome of a rule of which nobody can say whether it holds."""
    on_latency = threshold.percent is not None
    return ThresholdOutcome(threshold.text, None, "unknown", ok=None, message=f"unknown, {why}", on_latency=on_latency)


def _all(histograms: Iterable[Histogram]) -> Histogram | None:
    whole = Histogram()
    for histogram in histograms:
        whole.merge(histogram)
    return whole if whole.buckets else None


def _together(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.merge(tally)
    return whole


def _judged(threshold: Threshold, value: float, from_s: int) -> ThresholdOutcome:
    ok = threshold.holds(value)
    text = threshold.show(rounded(value, threshold.holds))
    where = ""
    if threshold.window_s is not None:
        where = f"{'worst' if ok else 'broken'} in the {format_duration(threshold.window_s)} from {from_s} s: {text}"
    return ThresholdOutcome(threshold.text, value, text, ok, where, on_latency=threshold.percent is not None)
