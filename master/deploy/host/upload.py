"""Bringing a release to a host: sent, verified, tried, and placed beside the others there. Nobody uses it until the switch."""

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
    Step.TRY: 240.0,  # with the byte code of some 700 modules; a Zero 2 W takes about 30 s
    Step.PLACE: 60.0,
}
"""The most that a step may take, in seconds. The host's deadline ends them too."""

StepProgress = Callable[[Step, int], None]
"""Called with each step when it begins, and with the bytes sent so far while an archive is sent."""


def upload_release(session: HostSession, release: Release, facts: HostFacts, on_step: StepProgress) -> None:
    """Upload, verify and place a release: as a delta to one that is there, or else as a whole. Raises HostFailure."""
    sent = 0

    def tell(step: Step, more: int = 0) -> None:
        on_step(step, sent + more if step is Step.UPLOAD else 0)

    def arrive(archive: Path, base: str) -> None:
        tell(Step.UPLOAD)
        session.send(archive, release.name, base, lambda more: tell(Step.UPLOAD, more), most_s=STEP_S[Step.UPLOAD])
        tell(Step.TRY)
        _try(session, release)
        tell(Step.PLACE)
        session.script("place", release.name, most_s=STEP_S[Step.PLACE])

    delta = next((delta for delta in release.deltas if delta.base in facts.releases), None)
    if delta is not None:
        try:
            arrive(delta.archive, delta.base)
        except HostFailure as failure:
            if failure.cause not in (Cause.COMMAND, Cause.DAMAGED, Cause.UNFIT):
                raise
            sent = delta.archive_bytes  # the other release may not be what it was
        else:
            return
    arrive(release.archive, "")


def _try(session: HostSession, release: Release) -> None:
    try:
        session.script("try", release.name, release.digest, most_s=STEP_S[Step.TRY])
    except HostFailure as failure:
        if failure.cause is not Cause.COMMAND:
            raise
        last = failure.message.splitlines()[-1]
        hint = "the release does not fit this host: see what is missing there; nothing was switched"
        raise HostFailure(Cause.UNFIT, f"its modules can't be imported there: {last}", hint) from None
