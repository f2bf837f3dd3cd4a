"""The calls that wait for one receiver: bounded, no more often than allowed, those of lost nodes together. Pure: time is a parameter."""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from master.hooks.orders import Call

MAX_WAITING = 100
"""Calls that wait for one receiver; further ones are dropped and counted."""
MAX_NODES = 100
"""Names in one call."""
GATHER_S = 1.0
"""A call of a lost node waits so long for others: a switch that fails takes a rack with it."""
BURST, PER_MINUTE = 10, 30
"""A receiver gets so many calls at once, and so many a minute on end."""


class CallQueue:
    """Calls in order."""

    def __init__(self, now_s: float) -> None:
        self.dropped = 0
        self._calls: deque[tuple[float, Call]] = deque()
        self._allowance = float(BURST)
        self._seen_s = now_s
        self._hurried = False

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call, now_s: float) -> None:
        """Put a call at the end; one of lost nodes into the one that waits there, if that is of lost nodes too."""
        if self._calls and self._calls[-1][1].event == call.event == "lost":
            due_s, last = self._calls[-1]
            total = last.nodes_total + call.nodes_total
            nodes = list(dict.fromkeys([*last.nodes, *call.nodes]))[:MAX_NODES]
            text = f"{call.scenario}: {total} nodes lost: {', '.join(nodes[:5])}{' …' if total > 5 else ''}"
            self._calls[-1] = (due_s, replace(last, nodes=nodes, nodes_total=total, text=text))
        elif len(self._calls) >= MAX_WAITING:
            self.dropped += 1
        else:
            self._calls.append((now_s + (GATHER_S if call.event == "lost" else 0.0), call))

    def wait_s(self, now_s: float) -> float | None:
        """How long it is until a call may be taken; None where none waits."""
        if not self._calls:
            return None
        if self._hurried:
            return 0.0
        self._allowance = min(BURST, self._allowance + (now_s - self._seen_s) * PER_MINUTE / 60)
        self._seen_s = now_s
        allowed_s = max(0.0, 1.0 - self._allowance) * 60 / PER_MINUTE
        return max(allowed_s, self._calls[0][0] - now_s, 0.0)

    def take(self) -> Call:
        """The next call."""
        self._allowance -= 1
        return self._calls.popleft()[1]

    def hurry(self) -> None:
        """The run is over: what waits may be taken at once."""
        self._hurried = True
