"""Who sends a request."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What an account may do."""

    USER = "user"
    ADMIN = "admin"
    NODE = "node"


class Caller(msgspec.Struct, frozen=True):
    """Who sends a request: what its token says. Times are in Unix seconds; `family` is the sign-in that the token goes back to."""

    name: str
    role: Role
    expires_at: int
    issued_at: float = 0.0
    family: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether this is an administrator, who may see and do what belongs to others."""
        return self.role is Role.ADMIN
