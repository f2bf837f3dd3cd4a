"""Users that a worker keeps for a while although it is to run fewer. Pure; times are parameters.

In the open model the users of a worker have arrivals to start that were dealt some seconds ago. A user that is to move
elsewhere, or to end, stays until those have been due, while later ones are dealt without it.
"""

from __future__ import annotations

from collections.abc import Mapping


class KeptUsers:
    """What to order of each worker, so that users stay for `keep_s` seconds longer than they are wanted."""

    def __init__(self, keep_s: float) -> None:
        """With 0 none stays."""
        self._keep_s = keep_s
        self._ordered: dict[str, Mapping[str, int]] = {}
        self._until_s: dict[str, float] = {}
        """Of workers that keep users: until when."""

    def order(self, worker: str, wanted: Mapping[str, int], now_s: float) -> tuple[dict[str, int], float | None]:
        """The users of each class to order of a worker that is to run `wanted`, and in how many seconds to order again; None: need not."""
        users, again_s = dict(wanted), None
        if self._keep_s:
            before = self._ordered.get(worker, {})
            if not any(count > wanted.get(name, 0) for name, count in before.items()):
                self._until_s.pop(worker, None)
            elif now_s < self._until_s.setdefault(worker, now_s + self._keep_s):
                users = {name: max(wanted.get(name, 0), before.get(name, 0)) for name in {**wanted, **before}}
                again_s = self._until_s[worker] - now_s
            else:
                del self._until_s[worker]
            self._ordered[worker] = users
        return dict(users), again_s

    def forget(self, worker: str) -> None:
        """A worker has none of them any more."""
        self._ordered.pop(worker, None)
        self._until_s.pop(worker, None)
