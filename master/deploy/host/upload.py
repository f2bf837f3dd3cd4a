"""Bringing a release to a host: sent, verified, and placed beside the others there. Nobody uses it until the switch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.facts import HostFacts
from master.deploy.host.plan import Step
from master.deploy.host.session import HostSession
from master.release.builder import Release

STEP_S = {
    Step.UPLOAD: 300.0,  # 12 MB at 40 KB/s: a Wi-Fi that hardly works
    Step.VERIFY: 240.0,  # with the byte code of some 700 modules; a Zero 2 W takes about 30 s
    Step.PLACE: 60.0,
}
"""The most that a step may take, in seconds. The host's deadline ends them too."""

StepProgress = Callable[[Step, int], None]
"""Called with each step when it begins, and with the bytes sent so far while an archive is sent."""


def upload_release(session: HostSession, release: Release, facts: HostFacts, on_step: StepProgress) -> None:
    """Upload, verify and place a release: as a delta to one that is there, or else as a whole. Raises HostFailure."""
    sent = 0

    def report_step(step: Step, more: int = 0) -> None:
        on_step(step, sent + more if step is Step.UPLOAD else 0)

    def transfer(archive: Path, base: str) -> None:
        report_step(Step.UPLOAD)
        session.send(
            archive, release.name, base, lambda more: report_step(Step.UPLOAD, more), timeout_s=STEP_S[Step.UPLOAD]
        )
        report_step(Step.VERIFY)
        _verify(session, release)
        report_step(Step.PLACE)
        session.script("place", release.name, timeout_s=STEP_S[Step.PLACE])

    delta = next((delta for delta in release.deltas if delta.base in facts.releases), None)
    if delta is not None:
        try:
            transfer(delta.archive, delta.base)
        except HostFailure as failure:
            if failure.cause not in (Cause.COMMAND, Cause.CORRUPTED, Cause.NOT_PREPARED):
                raise
            sent = delta.archive_bytes  # the other release may not be what it was
        else:
            return
    transfer(release.archive, "")


def _verify(session: HostSession, release: Release) -> None:
    try:
        session.script("verify", release.name, release.digest, timeout_s=STEP_S[Step.VERIFY])
    except HostFailure as failure:
        if failure.cause is not Cause.COMMAND:
            raise
        last = failure.message.splitlines()[-1]
        hint = "the release does not fit this host: see what is missing there; nothing was switched"
        raise HostFailure(Cause.NOT_PREPARED, f"its modules can't be imported there: {last}", hint) from None
