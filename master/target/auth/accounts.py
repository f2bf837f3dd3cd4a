"""The accounts: a demo's, `user0001` to `user2000`, `admin01` to `admin20` and `node0001` to `node1000`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from master.target.api.caller import Role


class Account:
    """Who may sign in. `password_hash` is known from the first sign-in on."""

    __slots__ = ("name", "password_hash", "role", "salt")

    def __init__(self, name: str, role: Role) -> None:
        self.name = name
        self.role = role
        self.salt = secrets.token_bytes(16)
        self.password_hash: bytes | None = None


def demo_accounts() -> Iterator[Account]:
    """All accounts, without passwords."""
    for number in range(1, 2001):
        yield Account(f"user{number:04d}", Role.USER)
    for number in range(1, 21):
        yield Account(f"admin{number:02d}", Role.ADMIN)
    for number in range(1, 1001):
        yield Account(f"node{number:04d}", Role.NODE)
