"""What sign-in has to remember beyond a restart: refresh tokens, revoked families of tokens, failed sign-ins."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from master.target.auth.lockout import Failures


class Rotation(Enum):
    """What became of a refresh token that was used."""

    ROTATED = auto()
    REUSED = auto()
    """It had been used before: somebody has a copy."""
    UNKNOWN = auto()
    """Its family has ended."""


class SecurityState(Protocol):
    """Kept in the database or in Redis. Bounded; times are Unix seconds."""

    async def start(self) -> None:
        """Make ready."""

    async def begin_family(self, family: str, token: str, expires_at: float) -> None:
        """Remember a family of refresh tokens by the identity of its one token that is good."""

    async def rotate(self, family: str, used: str, following: str, expires_at: float) -> Rotation:
        """Let `following` be the good token in place of `used`, if that is the good one; in one step, whoever else tries."""

    async def revoke(self, family: str, until: float) -> None:
        """End a family, and remember that its other tokens are refused until then."""

    async def revoked(self, now: float) -> list[tuple[str, float]]:
        """The families revoked until after `now`, in the order in which they were revoked, and until when."""

    async def failures(self, name: str) -> Failures | None:
        """The failed sign-ins of a name."""

    async def put_failures(self, name: str, failures: Failures, expires_at: float, now: float) -> None:
        """Remember them until then."""

    async def clear_failures(self, name: str) -> None:
        """Forget them."""
