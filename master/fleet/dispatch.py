"""Which worker runs how many users of which class. Pure.

Users are placed one by one where the fewest are, and stay where they are: a ramp only adds or takes away, and the users of a
worker that is lost are placed anew without touching anybody else's. Only `level` moves users, few at a time, towards workers
that came later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from worker.wire import UserShare


class Mix:
    """How a number of users is made up of classes: fixed counts first, then by weight.

    By weight it follows Webster's method (Sainte-Laguë), which never takes a user of one class away when the whole grows:
    so a ramp up starts users only, and a ramp down ends them in the reverse order.
    """

    def __init__(self, shares: Mapping[str, UserShare]) -> None:
        self._fixed = {name: share.fixed_count for name, share in shares.items() if share.fixed_count}
        self._weights = {name: share.weight for name, share in shares.items() if share.weight}
        self.counts: dict[str, int] = dict.fromkeys(shares, 0)
        self.total = 0

    def go_to(self, total: int) -> None:
        """Make up `total` users. Where there are no weights, no more than the fixed counts."""
        while self.total < total and (name := self._next()) is not None:
            self.counts[name] += 1
            self.total += 1
        while self.total > max(0, total):
            self.counts[self._last()] -= 1
            self.total -= 1

    def _next(self) -> str | None:
        for name, fixed in self._fixed.items():
            if self.counts[name] < fixed:
                return name
        if not self._weights:
            return None
        return max(self._weights, key=lambda name: self._weights[name] / (2 * self.counts[name] + 1))

    def _last(self) -> str:
        begun = [name for name in reversed(self._weights) if self.counts[name]]
        if begun:
            return min(begun, key=lambda name: self._weights[name] / (2 * self.counts[name] - 1))
        return next(name for name in reversed(self._fixed) if self.counts[name])


class Dispatch:
    """The users of every worker of a run. `users[worker]` maps each class to a count."""

    def __init__(self, shares: Mapping[str, UserShare]) -> None:
        self._mix = Mix(shares)
        self.users: dict[str, dict[str, int]] = {}
        self._placed: Counter[str] = Counter()
        self._levels: dict[int, dict[str, None]] = {}
        """The workers with so many users, in order of arrival; no level is empty."""
        self._total: dict[str, int] = {}

    @property
    def wanted(self) -> int:
        """How many users there should be."""
        return self._mix.total

    @property
    def placed(self) -> int:
        """How many there are; fewer than wanted only while no worker is there."""
        return self._placed.total()

    def add(self, worker: str) -> None:
        """A worker can take users from now on; it has none yet. One that is known keeps what it has."""
        if worker not in self.users:
            self.users[worker] = dict.fromkeys(self._mix.counts, 0)
            self._total[worker] = 0
            self._levels.setdefault(0, {})[worker] = None

    def remove(self, worker: str) -> int:
        """A worker is no more; how many users it had. They have a place again after the next `go_to`."""
        counts = self.users.pop(worker, None)
        if counts is None:
            return 0
        self._placed.subtract(counts)
        total = self._total.pop(worker)
        self._leave_level(worker, total)
        return total

    def go_to(self, total: int) -> set[str]:
        """Want `total` users from now on and place them; the workers whose users change."""
        self._mix.go_to(total)
        return self.fill()

    def fill(self) -> set[str]:
        """Place users that have no place, end those that are too many; the workers whose users change."""
        changed: set[str] = set()
        if not self.users:
            return changed
        for name, wanted in self._mix.counts.items():
            while self._placed[name] > wanted:
                changed.add(self._change(self._fullest_with(name), name, -1))
        short = {name: wanted - self._placed[name] for name, wanted in self._mix.counts.items()}
        while any(short.values()):
            for name, left in list(short.items()):  # in turn, so that each worker gets a mix
                if left:
                    changed.add(self._change(self._emptiest_for(name), name, 1))
                    short[name] -= 1
        return changed

    def level(self, most: int) -> set[str]:
        """Move at most `most` users from the fullest to the emptiest workers, while they are two or more apart.

        Returns the workers whose users change.
        """
        changed: set[str] = set()
        for _ in range(most):
            if not self._levels or max(self._levels) - min(self._levels) < 2:
                break
            source = next(reversed(self._levels[max(self._levels)]))
            goal = next(iter(self._levels[min(self._levels)]))
            less = self.users[goal]
            name, _ = max(self.users[source].items(), key=lambda user: user[1] - less[user[0]])
            changed |= {self._change(source, name, -1), self._change(goal, name, 1)}
        return changed

    def _emptiest_for(self, name: str) -> str:
        # Of those with the fewest users the first with the fewest of this class; the first without any ends the search.
        best, fewest = "", -1
        for worker in self._levels[min(self._levels)]:
            count = self.users[worker][name]
            if fewest < 0 or count < fewest:
                best, fewest = worker, count
                if not count:
                    break
        return best

    def _fullest_with(self, name: str) -> str:
        for total in sorted(self._levels, reverse=True):
            counts = [(worker, self.users[worker][name]) for worker in reversed(self._levels[total])]
            worker, count = max(counts, key=lambda entry: entry[1])
            if count:
                return worker
        raise AssertionError("no worker has a user that was placed")

    def _change(self, worker: str, name: str, by: int) -> str:
        self.users[worker][name] += by
        self._placed[name] += by
        total = self._total[worker]
        self._leave_level(worker, total)
        self._total[worker] = total + by
        self._levels.setdefault(total + by, {})[worker] = None
        return worker

    def _leave_level(self, worker: str, total: int) -> None:
        level = self._levels[total]
        del level[worker]
        if not level:
            del self._levels[total]
