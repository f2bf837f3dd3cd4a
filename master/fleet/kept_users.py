"""Users that a worker keeps for a while although it is to run fewer. Pure; times are parameters.

In the open model the users of a worker have arrivals to start that were dealt some seconds ago. A user that is to move
elsewhere, or to end, stays until those have been due, while later ones are dealt without it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping


class KeptUsers:
    """What to order of each worker, so that users stay for `keep_s` seconds longer than they are wanted."""

    def __init__(self, keep_s: float) -> None:
        """With 0 none stays."""
        self._keep_s = keep_s
        self._wanted: dict[str, Mapping[str, int]] = {}
        self._earlier: dict[str, deque[tuple[float, Mapping[str, int]]]] = {}
        """Of workers that keep users: what was wanted of them before each decrease, and until when that is kept."""

    def order(self, worker: str, wanted: Mapping[str, int], now_s: float) -> tuple[dict[str, int], float | None]:
        """The users of each class to order of a worker that is to run `wanted`, and in how many seconds to order again; None: need not."""
        if not self._keep_s:
            return dict(wanted), None
        before, earlier = self._wanted.get(worker, {}), self._earlier.setdefault(worker, deque())
        self._wanted[worker] = dict(wanted)
        if any(count > wanted.get(name, 0) for name, count in before.items()):
            earlier.append((now_s + self._keep_s, before))
        while earlier and earlier[0][0] <= now_s:
            earlier.popleft()
        users, until_s = dict(wanted), dict.fromkeys(wanted, now_s)
        for end_s, counts in earlier:
            for name, count in counts.items():
                if count and count >= users.get(name, 0):
                    users[name], until_s[name] = count, end_s
        changes_s = [until_s[name] for name, count in users.items() if count > wanted.get(name, 0)]
        return users, min(changes_s) - now_s if changes_s else None

    def forget(self, worker: str) -> None:
        """A worker has none of them any more."""
        self._wanted.pop(worker, None)
        self._earlier.pop(worker, None)
