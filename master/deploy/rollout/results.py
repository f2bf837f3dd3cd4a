"""Results of a deployment by host, for people and for programs."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.plan import Step

SCHEMA = "piswarm/deploy/1"


class Outcome(StrEnum):
    """What became of a host."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    DIFFERS = "would change"
    FAILED = "failed"
    SKIPPED = "not started"


class HostResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one host. `before` and `after` are releases; null where that is not known, empty for none."""

    host: str
    outcome: Outcome
    before: str | None = None
    after: str | None = None
    differs: str = ""
    """What there was to be done."""
    bytes_sent: int = 0
    duration_s: float = 0.0
    step: Step | None = None
    """Where it failed."""
    cause: Cause | None = None
    message: str = ""
    hint: str = ""

    @property
    def ok(self) -> bool:
        """Whether the host is as it should be, or would be."""
        return self.outcome in (Outcome.UNCHANGED, Outcome.CHANGED, Outcome.DIFFERS)


class RolloutReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all of them, in the inventory's order."""

    schema: str = SCHEMA
    action: str
    duration_s: float
    stopped: str = ""
    """Why hosts were skipped; empty when none was."""
    hosts: list[HostResult]

    @property
    def ok(self) -> bool:
        """Whether every host is as it should be."""
        return all(result.ok for result in self.hosts)

    def count(self, outcome: Outcome) -> int:
        """Hosts of that outcome."""
        return sum(result.outcome is outcome for result in self.hosts)


def failure(host: str, error: HostFailure, step: Step | None, *, duration_s: float, bytes_sent: int = 0) -> HostResult:
    """The result of a host that failed."""
    outcome = Outcome.SKIPPED if error.cause is Cause.SKIPPED else Outcome.FAILED
    return HostResult(
        host=host,
        outcome=outcome,
        step=step,
        cause=error.cause,
        message=error.message,
        hint=error.hint.replace("HOST", host),
        duration_s=duration_s,
        bytes_sent=bytes_sent,
    )
