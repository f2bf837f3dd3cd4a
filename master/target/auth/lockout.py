"""When an account is locked after failed sign-ins. Pure: times are passed in, in seconds.

Theory of operation: `failures` wrong passwords for one name within `within_s` lock that name for `lock_s`. A right password
begins anew; while the name is locked it is refused like a wrong one, so nothing can be learned meanwhile. Names without an
account are treated alike: a lock does not tell that there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct


class Failures(Struct, frozen=True):
    """Failed sign-ins of one name: how many since `first_at`, and until when the name is locked."""

    count: int
    first_at: float
    locked_until: float = 0.0


@dataclass(frozen=True, slots=True)
class LockoutRules:
    """The rules. With `failures` 0 nothing is ever locked."""

    failures: int = 10
    within_s: float = 300.0
    lock_s: float = 60.0

    def after_failure(self, known: Failures | None, now: float) -> Failures:
        """What is known after one more failure."""
        if known is None or now - known.first_at >= self.within_s:
            known = Failures(0, now)
        count = known.count + 1
        if 0 < self.failures <= count:
            return Failures(0, now, now + self.lock_s)
        return Failures(count, known.first_at, known.locked_until)

    def locked_for_s(self, known: Failures | None, now: float) -> float:
        """For how long the name is locked yet; 0 when it is not."""
        return 0.0 if known is None else max(0.0, known.locked_until - now)

    def forgotten_at(self, known: Failures) -> float:
        """From when on `known` says nothing any more."""
        return max(known.first_at + self.within_s, known.locked_until)
