"""How a peer's monotonic clock stands to ours. Pure; times are parameters."""

from __future__ import annotations

import math

DRIFT = 200e-6
"""By how much two clocks may run apart: a crystal is within 100 ppm, and NTP slews by at most as much again (500 on a cold start)."""


class ClockMap:
    """Maps a peer's monotonic clock to the receiver's, from messages that carry their time of sending.

    The offset (ours less the peer's) lies between two bounds. A message that the peer sent at p and we received at r says
    that it is at most r - p; an answer that it gave at p to what we asked at a says that it is at least a - p. What was
    learnt grows weaker with time, by DRIFT. The estimate is the middle, wrong by at most half the bounds' distance (as in
    Marzullo's intersection of clock intervals, which NTP is built on). Without any question answered it is the upper bound.
    """

    def __init__(self) -> None:
        self._least_s, self._most_s = -math.inf, math.inf
        self._learned_s = 0.0
        self._jumped = False

    def observe(self, sent_s: float, received_s: float) -> None:
        """Learn from one message: when the peer sent it, by its clock, and when it came, by ours."""
        self._learn(-math.inf, received_s - sent_s, received_s)

    def observe_reply(self, asked_s: float, answered_s: float, received_s: float) -> None:
        """Learn from a question and its answer: asked and received by our clock, answered by the peer's."""
        self._learn(asked_s - answered_s, received_s - answered_s, received_s)

    def _learn(self, min_s: float, max_s: float, now_s: float) -> None:
        weaker_s = DRIFT * max(0.0, now_s - self._learned_s)
        self._learned_s = max(now_s, self._learned_s)
        self._least_s = max(self._least_s - weaker_s, min_s)
        self._most_s = min(self._most_s + weaker_s, max_s)
        if (
            self._least_s > self._most_s
        ):  # a clock has jumped, as one does whose machine was asleep: only the latest counts
            self._least_s, self._most_s = min_s, max_s
            self._jumped = True

    def pop_jump(self) -> bool:
        """Whether a clock has jumped since the last call."""
        jumped, self._jumped = self._jumped, False
        return jumped

    @property
    def known(self) -> bool:
        """Whether anything can be mapped yet."""
        return self._most_s < math.inf

    @property
    def error_s(self) -> float | None:
        """By how much a mapped time can be wrong; None while no question was answered."""
        error_s = (self._most_s - self._least_s) / 2
        return error_s if math.isfinite(error_s) else None

    def to_local(self, peer_s: float) -> float:
        """The time of ours that corresponds to `peer_s` of the peer's. Only when it is `known`."""
        return peer_s + self._offset_s

    def to_peer(self, local_s: float) -> float:
        """The time of the peer's that corresponds to `local_s` of ours. Only when it is `known`."""
        return local_s - self._offset_s

    @property
    def _offset_s(self) -> float:
        middle_s = (self._least_s + self._most_s) / 2
        return middle_s if math.isfinite(middle_s) else self._most_s
