"""Who sends a request."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What an account may do."""

    USER = "user"
    ADMIN = "admin"
    NODE = "node"


class Caller(msgspec.Struct, frozen=True, rename={"name": "sub", "expires_at": "exp"}):
    """Who sends a request: what its token claims, once the signature is verified. `expires_at` is in Unix seconds."""

    name: str
    role: Role
    expires_at: int

    @property
    def is_admin(self) -> bool:
        """Whether this is an administrator, who may see and do what belongs to others."""
        return self.role is Role.ADMIN
