"""Password hashes by Argon2id, in the usual text form that names its own parameters."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one hash costs.

    The default takes 0.4 ms of a core of 3 GHz: one core has to bear far more than 500 sign-ins a second, so that it is the
    generator that is measured. OWASP asks of a service with passwords that people chose for 19 MiB and 2 passes, which takes 19 ms.
    """

    memory_kib: int = 1024
    passes: int = 1


class Passwords:
    """Makes hashes and checks passwords against them. Frees the interpreter lock meanwhile; may be called from any thread."""

    def __init__(self, cost: HashCost) -> None:
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1)
        self._nobodys = self._hasher.hash(secrets.token_bytes(16))

    def hash(self, password: str) -> str:
        """A new hash, with a salt of its own."""
        return self._hasher.hash(password)

    def matches(self, password: str, known: str | None) -> bool:
        """Whether `known` is the hash of `password`; for None it is not, at the same cost."""
        try:
            right = self._hasher.verify(known or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
        return right and known is not None

    def is_outdated(self, known: str) -> bool:
        """Whether a hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(known)
