"""Which of the target's demo accounts a user signs in with, and the randomness that is its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from random import Random
from typing import NamedTuple
from weakref import WeakKeyDictionary

PASSWORD_VARIABLE = "PISWARM_TARGET_PASSWORD"  # noqa: S105  # the variable's name
# Successive users of one worker lie this far apart in the pool, so that workers whose first accounts are neighbours don't
# run over each other: the golden ratio of 2000 accounts. A prime, and so prime to every pool's size: all of a pool is used
# before any account comes again.
_STRIDE = 1237


class AccountPool(NamedTuple):
    """The accounts of one role: `prefix` and a number from 1 to `size`, with leading zeros to `digits`."""

    prefix: str
    size: int
    digits: int

    def name(self, number: int) -> str:
        """The user name of account `number`, counted from 0 and beginning again after the last."""
        return f"{self.prefix}{number % self.size + 1:0{self.digits}d}"


USERS = AccountPool("user", 2000, 4)
ADMINS = AccountPool("admin", 20, 2)
NODES = AccountPool("node", 1000, 4)


class AccountBook:
    """Hands out account numbers, a series for each environment (one per worker process) and pool."""

    def __init__(self) -> None:
        self._series: WeakKeyDictionary[object, Callable[[AccountPool], int]] = WeakKeyDictionary()

    def next_number(self, environment: object, pool: AccountPool) -> int:
        """The next account number for `pool`, beginning with `environment.first_account` (0 if it has none).

        Numbers go on beyond the pool's size, so that two users who come to share an account still differ.
        """
        take = self._series.get(environment)
        if take is None:
            take = self._series[environment] = _series()
        first: int = getattr(environment, "first_account", 0)
        return first + take(pool) * _STRIDE


def user_random(environment: object, kind: str, number: int) -> Random:
    """The randomness of the user of class `kind` with account number `number`: the same in every run with `environment.seed`."""
    seed: int = getattr(environment, "seed", 0)
    return Random(f"{seed} {kind} {number}")  # noqa: S311  # nothing is kept secret by it


def password(environment: object) -> str:
    """The password of all accounts: `environment.target_password`, which the controller has sent, or that of the environment variable.

    Empty where there is none; the target then refuses the sign-in.
    """
    sent: str = getattr(environment, "target_password", "")
    return sent or os.environ.get(PASSWORD_VARIABLE, "")


def _series() -> Callable[[AccountPool], int]:
    counters: dict[AccountPool, itertools.count[int]] = {}

    def take(pool: AccountPool) -> int:
        return next(counters.setdefault(pool, itertools.count()))

    return take
