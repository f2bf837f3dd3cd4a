"""What each way of generating load must find on a target that stalls: exact simulations, event by event. Pure.

The target takes as long for each answer, however much it has to do, and has stalls: see `Stalls`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stalls import Stalls


class Request(NamedTuple):
    """One request, in seconds since the load began."""

    due_s: float
    sent_s: float
    answered_s: float

    @property
    def latency_s(self) -> float:
        """From when it was due."""
        return self.answered_s - self.due_s

    @property
    def service_time_s(self) -> float:
        """From when it was sent."""
        return self.answered_s - self.sent_s


@dataclass(frozen=True, slots=True)
class Target:
    """A target that takes `service_s` for each answer and has stalls."""

    service_s: float
    stalls: Stalls

    def answer_s(self, sent_s: float) -> float:
        """Return when what was sent at `sent_s` is answered."""
        return self.stalls.answer_s(sent_s, self.service_s)


class Offered(NamedTuple):
    """What became of a schedule of arrivals: those that a user was free for, and when the others were due."""

    started: list[Request]
    missed_s: list[float]


def open_model(target: Target, rate_per_s: float, max_users: int, duration_s: float) -> Offered:
    """Return what an open model meets: arrival i is due at (i + ½) / rate, and missed where `max_users` are busy."""
    started, missed_s = [], []
    busy: list[float] = []
    for number in range(round(rate_per_s * duration_s)):
        due_s = (number + 0.5) / rate_per_s
        while busy and busy[0] <= due_s:
            heapq.heappop(busy)
        if len(busy) == max_users:
            missed_s.append(due_s)
            continue
        answered_s = target.answer_s(due_s)
        heapq.heappush(busy, answered_s)
        started.append(Request(due_s, due_s, answered_s))
    return Offered(started, missed_s)


def corrected_connections(target: Target, rate_per_s: float, connections: int, duration_s: float) -> list[Request]:
    """Return what wrk2's documented algorithm meets.

    Each of so many connections sends at a constant throughput, its first requests evenly apart from the others'. When an answer comes after the
    next request was to be sent, that is sent at once, and the latency of each counts from when it should have been sent.
    """
    requests = []
    for number in range(connections):
        first_s, free_s = (number + 0.5) / rate_per_s, 0.0
        for turn in range(math.ceil((duration_s - first_s) * rate_per_s / connections)):
            due_s = first_s + turn * connections / rate_per_s
            sent_s = max(due_s, free_s)
            free_s = target.answer_s(sent_s)
            requests.append(Request(due_s, sent_s, free_s))
    return sorted(requests)


def closed_model(target: Target, users: int, think_s: float, duration_s: float) -> list[Request]:
    """Return what a closed model meets: each user waits for its answer, then for `think_s`; a latency counts from the sending."""
    requests = []
    cycle_s = target.service_s + think_s
    for number in range(users):
        sent_s = (number + 0.5) * cycle_s / users
        while sent_s < duration_s:
            answered_s = target.answer_s(sent_s)
            requests.append(Request(sent_s, sent_s, answered_s))
            sent_s = answered_s + think_s
    return sorted(requests)


def answered_within(requests: Iterable[Request], begin_s: float, end_s: float) -> Iterator[Request]:
    """Return the requests whose answer came in [begin_s, end_s), which is what a window of a run counts."""
    return (each for each in requests if begin_s <= each.answered_s < end_s)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the percentile by nearest rank, not-a-number without any value."""
    return sorted(values)[max(1, math.ceil(percent / 100 * len(values) - 1e-9)) - 1] if values else math.nan
