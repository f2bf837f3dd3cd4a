"""The rows of one table that a worker has: leased, and not given to a user yet. Pure; times are on the worker's monotonic clock.

The stock follows the use: enough for COVER_S at the rate of the latest seconds, so that users find a row while the next lease is
under way, and no more, since what is in stock is lost when the worker is. What is too much goes back.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from worker.load.rows.spans import Span
from worker.wire.rows import MAX_RANGES, RowsUsed

COVER_S = 4.0
"""A lease takes up to a second to come: the controller stores it before it sends it, and stores once a second."""
RATE_WINDOW_S = 2.0
"""The rate is the highest of the latest two such windows."""
KEEP_S = 20.0
"""So long after they came rows are kept though nobody takes any: users may be about to start."""
KEPT = 1
"""Rows that are kept for the next user however long it takes to come."""
ENOUGH = 0.75
"""Of the stock that there should be: with less a worker asks for more."""
ASK_AGAIN_S = 0.4
"""What is asked for twice comes once, and the second time it may be more."""

Content = TypeVar("Content")


class UseRate:
    """How many rows are taken per second lately."""

    def __init__(self) -> None:
        self._window = 0
        self._counts = (0, 0)

    def note(self, now_s: float) -> None:
        """A row is taken."""
        self._move(now_s)
        self._counts = (self._counts[0], self._counts[1] + 1)

    def per_s(self, now_s: float) -> float:
        """Rows per second; as if the present window went on as it has begun."""
        self._move(now_s)
        before, present = self._counts
        passed_s = max(0.25, now_s % RATE_WINDOW_S)
        return max(before / RATE_WINDOW_S, present / passed_s if present > 1 else present / RATE_WINDOW_S)

    def _move(self, now_s: float) -> None:
        window = int(now_s // RATE_WINDOW_S)
        if window != self._window:
            self._counts = (self._counts[1] if window == self._window + 1 else 0, 0)
            self._window = window


class Stock(Generic[Content]):
    """Numbers with the content of their rows, in the order in which they were leased; and what a report has to say of them."""

    def __init__(self, table: str, first: int = KEPT) -> None:
        """`first` is how many rows to have before users begin."""
        self.received = 0
        """The number of the latest lease."""
        self._table = table
        self._rows: deque[tuple[int, Content]] = deque()
        self._rate = UseRate()
        self._first = max(KEPT, first)
        self._began_s = math.inf
        self._received_s = 0.0
        self._asked_s = -math.inf
        self._used: list[Span] = []
        self._returned: list[Span] = []
        self._taken = 0
        self._waits, self._longest_wait_ms, self._timeouts = 0, 0.0, 0
        self._stopped: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    def receive(self, number: int, rows: Iterable[tuple[int, Content]], now_s: float) -> bool:
        """Take in lease `number`; False where it came before, or the one before it did not come."""
        if number != self.received + 1:
            return False
        self.received = number
        self._rows.extend(rows)
        self._received_s = now_s
        self._asked_s = -math.inf
        return True

    def take(self, now_s: float) -> tuple[int, Content] | None:
        """Give the next row to a user; None where there is none."""
        if not self._rows:
            return None
        number, content = self._rows.popleft()
        self._note(self._used, number)
        self.note_taken(now_s)
        return number, content

    def note_taken(self, now_s: float) -> None:
        """A user has taken a row."""
        self._taken += 1
        self._rate.note(now_s)

    def note_wait(self, waited_s: float) -> None:
        """A user got its row after waiting for so long."""
        self._waits += 1
        self._longest_wait_ms = max(self._longest_wait_ms, 1000 * waited_s)

    def note_timeout(self, waited_s: float) -> None:
        """A user got none, after waiting for so long."""
        self._timeouts += 1
        self._longest_wait_ms = max(self._longest_wait_ms, 1000 * waited_s)

    def note_stopped(self, user_class: str) -> None:
        """A user is stopped, since there are no rows any more."""
        self._stopped[user_class] += 1

    def wanted(self, waiting: int, now_s: float) -> int:
        """How many rows to ask for now; 0 while there are enough, or it has just been asked."""
        lacking = self.lacking(waiting, now_s)
        enough = len(self._rows) > ENOUGH * (len(self._rows) + lacking)
        return 0 if enough or now_s - self._asked_s < ASK_AGAIN_S else lacking

    def lacking(self, waiting: int, now_s: float) -> int:
        """How many rows there should be more."""
        return max(0, self._target(now_s) + waiting - len(self._rows))

    def note_asked(self, now_s: float) -> None:
        """A request is sent."""
        self._asked_s = now_s

    def _target(self, now_s: float) -> int:
        if now_s - self._began_s < 0:
            return self._first
        return KEPT + math.ceil(self._rate.per_s(now_s) * COVER_S)

    def note_users(self, now_s: float) -> None:
        """There are users, who may take rows."""
        self._began_s = min(self._began_s, now_s)

    def give_back_surplus(self, now_s: float) -> None:
        """Give back, with the next report, what is far more than is being used."""
        if now_s - max(self._began_s, self._received_s) > KEEP_S and len(self._rows) > 2 * self._target(now_s):
            self._give_back(len(self._rows) - self._target(now_s))

    def give_back_all(self) -> None:
        """Give back, with the next report, all that no user has taken."""
        self._give_back(len(self._rows))

    def _give_back(self, count: int) -> None:
        back = sorted(self._rows.pop()[0] for _ in range(count))  # those that came last
        for number in back:
            self._note(self._returned, number)

    @staticmethod
    def _note(spans: list[Span], number: int) -> None:
        if spans and spans[-1][1] == number:
            spans[-1] = (spans[-1][0], number + 1)
        else:
            spans.append((number, number + 1))

    def pop_used(self) -> RowsUsed | None:
        """What has to be reported now; None for nothing. What is more than a report holds comes with the next one."""
        used, self._used = self._used[:MAX_RANGES], self._used[MAX_RANGES:]
        returned, self._returned = self._returned[:MAX_RANGES], self._returned[MAX_RANGES:]
        if not (used or returned or self._taken or self._waits or self._timeouts or self._stopped):
            return None
        made = RowsUsed(
            self._table,
            used,
            returned,
            self._taken,
            self._waits,
            self._longest_wait_ms,
            self._timeouts,
            dict(self._stopped),
        )
        self._taken, self._waits, self._longest_wait_ms, self._timeouts = 0, 0, 0.0, 0
        self._stopped.clear()
        return made
