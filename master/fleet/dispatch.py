"""Which worker runs how many users of which class. Pure.

Users are placed one by one where the fewest are for what the worker can carry, and stay where they are: a ramp only adds or
takes away, and the users of a worker that is lost are placed anew without touching anybody else's. Only `rebalance` moves users,
few at a time, towards workers that came later or can carry more now.

A worker with c times the capacity of another gets c times the users, as near as whole users allow: by Webster's method
(Sainte-Laguë), the next user goes where (users + 1/2) / capacity is least, and the first to go is where (users - 1/2) /
capacity is largest. A placement in which no move would better these two is as even as can be. Users that each node or worker has of its
own are placed there beside the others, and move nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from master.fleet.user_mix import Mix
from worker.wire.messages import node_of
from worker.wire.work import UserShare


class Dispatch:
    """The users of every worker of a run. `users[worker]` maps each class to a count."""

    def __init__(self, shares: Mapping[str, UserShare]) -> None:
        self._mix = Mix(shares)
        self._bound = {name: share for name, share in shares.items() if share.per_node or share.per_worker}
        """Classes of which each node or worker has users of its own."""
        self._workers_of: dict[str, dict[str, None]] = {}
        self.users: dict[str, dict[str, int]] = {}
        self._placed: Counter[str] = Counter()
        self._ended: dict[str, Counter[str]] = {}
        """Of the users of each worker those that have ended by themselves, and are not made again."""
        self._gone: Counter[str] = Counter()
        """Users that had ended by themselves on workers that are lost; they are not placed anew."""
        self._ranks = _Ranks()
        self._closed: set[str] = set()

    @property
    def wanted(self) -> int:
        """How many users there should be, those of closed classes included."""
        return self._mix.total

    @property
    def placed(self) -> int:
        """How many there are; fewer than wanted only while no worker is there."""
        return self._placed.total()

    @property
    def ended(self) -> int:
        """How many of those that are wanted have ended by themselves."""
        return self._gone.total() + sum(ended.total() for ended in self._ended.values())

    def ended_of(self, worker: str, name: str) -> int:
        """How many of the users that `worker` has of a class have ended by themselves."""
        return self._ended[worker][name] if worker in self._ended else 0

    def add(self, worker: str, capacity: float = 1.0) -> None:
        """A worker can take users from now on; it has none yet. One that is known keeps what it has, and has this capacity.

        Capacities are above 0 and say how much a worker can carry, compared to the others. Many workers should share few
        different ones: what is done here grows with how many there are.
        """
        if worker in self.users:
            self._ranks.move(worker, self._ranks.total(worker), capacity)
        else:
            self.users[worker] = dict.fromkeys(self._mix.counts, 0)
            self._ranks.add(worker, capacity)
            self._workers_of.setdefault(node_of(worker), {})[worker] = None
            self._note_places()

    def remove(self, worker: str) -> int:
        """Remove a worker; how many users it had. They have a place again after the next `set_total`."""
        counts = self.users.pop(worker, None)
        if counts is None:
            return 0
        ended = self._ended.pop(worker, Counter())
        self._gone.update(ended)
        self._placed.subtract(counts)
        self._placed.update(ended)
        node = node_of(worker)
        del self._workers_of[node][worker]
        if not self._workers_of[node]:
            del self._workers_of[node]
        self._note_places()
        return self._ranks.remove(worker) - sum(count for name, count in ended.items() if name not in self._bound)

    def _note_places(self) -> None:
        if self._bound:
            self._mix.set_places(len(self._workers_of), len(self.users))

    def note_ended(self, worker: str, name: str, count: int) -> None:
        """So many users of a worker have ended by themselves. They count as users that it has, until fewer are wanted."""
        left = self.users.get(worker, {}).get(name, 0) - self.ended_of(worker, name)
        if ended := min(count, left):
            self._ended.setdefault(worker, Counter())[name] += ended

    def choose(self, names: Collection[str] | None) -> None:
        """Users that are wanted from now on are of these classes; None: of all."""
        self._mix.choose(names)

    def set_total(self, total: int) -> set[str]:
        """Want `total` users from now on and place them; the workers whose users change."""
        self._mix.set_total(total)
        return self.fill()

    def fill(self) -> set[str]:
        """Place users that have no place, end those that are too many; the workers whose users change."""
        changed: set[str] = set()
        for name, wanted in self._mix.counts.items():
            over = min(self._gone[name], max(0, self._placed[name] - wanted))
            self._gone[name] -= over
            self._placed[name] -= over
        if not self.users:
            return changed
        counts = {name: 0 if name in self._closed else wanted for name, wanted in self._mix.counts.items()}
        for name, wanted in counts.items():
            while self._placed[name] > wanted:
                ended = next((worker for worker, gone in self._ended.items() if gone[name]), None)
                if ended is not None:
                    self._ended[ended][name] -= 1
                changed.add(self._change(ended or self._fullest_with(name), name, -1))
        for name, share in self._bound.items():
            rooms = self._rooms(name, share)
            while self._placed[name] < counts[name] and (worker := next(rooms, None)) is not None:
                changed.add(self._change(worker, name, 1))
        short = {name: wanted - self._placed[name] for name, wanted in counts.items() if name not in self._bound}
        while any(short.values()):
            for name, left in list(short.items()):  # in turn, so that each worker gets a mix
                if left:
                    changed.add(self._change(self._emptiest_for(name), name, 1))
                    short[name] -= 1
        return changed

    def close_class(self, name: str) -> set[str]:
        """Have no user of this class any more, and none in its place; the workers whose users change."""
        self._closed.add(name)
        return self.fill()

    def count_of(self, name: str) -> int:
        """How many users of a class there are that have not ended by themselves."""
        return self._placed[name] - self._gone[name] - sum(gone[name] for gone in self._ended.values())

    def rebalance(self, max_moves: int) -> set[str]:
        """Move at most `max_moves` users from the fullest to the emptiest workers, as long as that makes their load more even.

        Returns the workers whose users change.
        """
        changed: set[str] = set()
        for _ in range(max_moves):
            pair = self._ranks.uneven()
            if pair is None:
                break
            source, goal = pair
            less = self.users[goal]
            name, _ = max(
                (
                    (name, count - less[name])
                    for name, count in self.users[source].items()
                    if count > self.ended_of(source, name) and name not in self._bound
                ),
                key=lambda user: user[1],
                default=("", 0),
            )
            if not name:
                break  # all that it has have ended
            changed |= {self._change(source, name, -1), self._change(goal, name, 1)}
        return changed

    def _rooms(self, name: str, share: UserShare) -> Iterator[str]:
        """The workers that are still to have users of this class, in turn, each as often as it is to have one more."""
        places = [[worker] for worker in self.users] if share.per_worker else list(map(list, self._workers_of.values()))
        for level in range(share.per_worker or share.per_node):
            for workers in places:
                if sum(self.users[worker][name] for worker in workers) <= level:
                    yield min(workers, key=self._bound_users)

    def _bound_users(self, worker: str) -> int:
        return sum(self.users[worker][name] for name in self._bound)

    def _emptiest_for(self, name: str) -> str:
        # Of the emptiest the first with the fewest of this class; the first without any ends the search.
        best, fewest = "", -1
        for worker in self._ranks.emptiest():
            count = self.users[worker][name]
            if fewest < 0 or count < fewest:
                best, fewest = worker, count
                if not count:
                    break
        return best

    def _fullest_with(self, name: str) -> str:
        if name in self._bound:
            return max(reversed(self.users), key=lambda worker: self.users[worker][name])
        for workers in self._ranks.from_fullest():
            counts = [(worker, self.users[worker][name]) for worker in reversed(workers)]
            worker, count = max(counts, key=lambda entry: entry[1])
            if count:
                return worker
        raise AssertionError("no worker has a user that was placed")

    def _change(self, worker: str, name: str, by: int) -> str:
        self.users[worker][name] += by
        self._placed[name] += by
        if name not in self._bound:
            self._ranks.move(worker, self._ranks.total(worker) + by)
        return worker


_Rank = tuple[float, int]
"""Workers of the same capacity, with the same number of users."""


class _Ranks:
    """Workers in groups that are alike: by capacity and number of users, each in order of arrival. No group is empty."""

    def __init__(self) -> None:
        self._groups: dict[_Rank, dict[str, None]] = {}
        self._of: dict[str, _Rank] = {}

    def total(self, worker: str) -> int:
        return self._of[worker][1]

    def add(self, worker: str, capacity: float) -> None:
        self._put(worker, (capacity, 0))

    def remove(self, worker: str) -> int:
        capacity, total = rank = self._of.pop(worker)
        del capacity
        group = self._groups[rank]
        del group[worker]
        if not group:
            del self._groups[rank]
        return total

    def move(self, worker: str, total: int, capacity: float | None = None) -> None:
        rank = (self._of[worker][0] if capacity is None else capacity, total)
        if rank != self._of[worker]:
            self.remove(worker)
            self._put(worker, rank)

    def _put(self, worker: str, rank: _Rank) -> None:
        self._of[worker] = rank
        self._groups.setdefault(rank, {})[worker] = None

    def emptiest(self) -> dict[str, None]:
        """Those that the next user goes to."""
        return self._groups[min(self._groups, key=_if_one_more)]

    def from_fullest(self) -> list[dict[str, None]]:
        """All groups, those that are to lose a user first in front."""
        return [self._groups[rank] for rank in sorted(self._groups, key=_if_one_less, reverse=True)]

    def uneven(self) -> tuple[str, str] | None:
        """Who has too many, and who too few, such that a user from one to the other makes it better; None if all is even."""
        if not self._groups:
            return None
        source = max(self._groups, key=_if_one_less)
        goal = min(self._groups, key=_if_one_more)
        if _if_one_less(source) <= _if_one_more(goal) * (1 + 1e-9):
            return None
        return next(reversed(self._groups[source])), next(iter(self._groups[goal]))


def _if_one_more(rank: _Rank) -> float:
    capacity, total = rank
    return (total + 0.5) / capacity


def _if_one_less(rank: _Rank) -> float:
    capacity, total = rank
    return (total - 0.5) / capacity
