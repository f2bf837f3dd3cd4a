"""The accounts: a demo's, `user0001` to `user2000`, `admin01` to `admin20` and `node0001` to `node1000`."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from master.target.api.caller import Role


class Account(Struct):
    """Who may sign in. Times are Unix seconds.

    `password_hash` is made when the account first signs in: 3000 of them at start would take seconds. Tokens issued up to
    `tokens_since` are refused.
    """

    name: str
    role: Role
    locked: bool = False
    password_hash: str | None = None
    tokens_since: float = 0.0


def demo_accounts() -> Iterator[Account]:
    """All accounts as they are at first."""
    for number in range(1, 2001):
        yield Account(f"user{number:04d}", Role.USER)
    for number in range(1, 21):
        yield Account(f"admin{number:02d}", Role.ADMIN)
    for number in range(1, 1001):
        yield Account(f"node{number:04d}", Role.NODE)
