"""Executes a plan on one host. Until SWITCH, nothing that runs is touched; after it, the agent is well or is switched back."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.facts import HostFacts
from master.deploy.host.plan import HostPlan, Step
from master.deploy.host.session import HostSession
from master.deploy.host.upload import StepProgress, upload_release
from master.inventory.host import Host
from master.inventory.node_settings import SettingsFile
from master.release.builder import Release

_POLL_S = 0.3
_LAST_LINES = 20
_OF_SYSTEMD = re.compile(r" systemd\[[0-9]+\]: ")
"""In a line of the journal: what systemd says of the agent, which knows less than what the agent itself said before."""
_BACK_S = 90.0
"""For switching back, whatever time the host has used."""
_STEP_S = 60.0
"""The most that restarting and pruning may take, in seconds; others take a moment. The host's deadline ends them too."""


@dataclass(frozen=True)
class HealthCheck:
    """When an agent counts as well: it is active for `settle_s` without having ended, at most `most_s` after its start.

    One whose node was in a run has to be taken in again by the master, if there still is one.
    """

    settle_s: float = 3.0
    most_s: float = 45.0


def execute_plan(
    session: HostSession,
    plan: HostPlan,
    facts: HostFacts,
    release: Release,
    settings: SettingsFile,
    *,
    health_check: HealthCheck,
    on_step: StepProgress,
    go_on: Callable[[], bool],
    check_key: Callable[[str], None],
) -> str:
    """Execute `plan` with the host's lock held; return the node's public key where it was made, else an empty text.

    `go_on` is asked between the steps up to SWITCH; from there on, it is brought to an end. `check_key` raises HostFailure
    for a node key that can't be. Raises HostFailure: the host runs what it ran before, or it says that it does not.
    """
    public_key = ""

    at: Step | None = None

    def tell(step: Step, sent: int = 0) -> None:
        nonlocal at
        if step is not at:
            _raise_if_interrupted(go_on)
            at = step
        on_step(step, sent)

    if Step.UPLOAD in plan.steps:
        upload_release(session, release, facts, tell)
    if Step.KEYS in plan.steps:
        tell(Step.KEYS)
        public_key = session.script("keys", release.name).stdout.strip()
        check_key(public_key)
    if Step.CONFIGURE in plan.steps:
        tell(Step.CONFIGURE)
        session.script("configure", settings.text)
    _raise_if_interrupted(go_on)
    if any(step in plan.steps for step in (Step.SWITCH, Step.RESTART, Step.WELL)):
        if facts.current != release.name or facts.well == release.name:
            former = PreviousReleases(facts.current, facts.previous)
        else:  # switched by a deployment that was cut off
            former = PreviousReleases(facts.previous if facts.previous in facts.releases else "", "")
        in_run = facts.unit.is_in_run
        switch_release(
            session, release.name, former, plan.steps, in_run=in_run, health_check=health_check, on_step=on_step
        )
    if plan.doomed:
        on_step(Step.PRUNE, 0)
        session.script("prune", *plan.doomed, most_s=_STEP_S)
    return public_key


@dataclass(frozen=True)
class PreviousReleases:
    """The releases to switch back to: what `current` and `previous` meant before; empty for none."""

    current: str
    previous: str


def switch_release(
    session: HostSession,
    name: str,
    former: PreviousReleases,
    steps: tuple[Step, ...],
    *,
    in_run: bool,
    health_check: HealthCheck,
    on_step: StepProgress,
) -> None:
    """Switch to the release `name`, restart the agent and wait until it is well, as far as `steps` says.

    `in_run` says whether the node is in a run. When that fails, the agent is started again with `former`, and HostFailure raised all the same.
    """
    # Half a change is the worst of all: what has begun in time is given the time to end.
    session.extend(_BACK_S)
    try:
        if Step.SWITCH in steps:
            on_step(Step.SWITCH, 0)
            session.script("switch", name)
        if Step.RESTART in steps:
            on_step(Step.RESTART, 0)
            _restart(session, name)
        if Step.WELL in steps:
            on_step(Step.WELL, 0)
            wait_until_healthy(session, health_check, in_run=in_run)
            session.script("note-well", name)
    except HostFailure as failure:
        if failure.cause in (Cause.CUT, Cause.LOCKED):
            raise  # nobody there to be told, or somebody else's turn: the next deployment finds out what is missing
        back = _switch_back(session, former, health_check)
        raise HostFailure(failure.cause, f"{failure.message}; {back}", failure.hint) from None


def wait_until_healthy(session: HostSession, health_check: HealthCheck, *, in_run: bool) -> None:
    """Wait until the agent is well, which of a node that was `in_run` the master has to say, as long as there is one.

    Raises HostFailure, with what the agent said last, when it is not.
    """
    until_s = time.monotonic() + health_check.most_s
    while True:
        unit = session.unit()
        left_s = health_check.settle_s - unit.since_s
        settled = unit.is_well and left_s <= 0
        if settled and (not in_run or unit.is_in_run or not _has_master(session.host)):
            return
        if unit.restarts or unit.state in ("failed", "inactive") or not unit.is_there:
            raise _unhealthy(session, f"the agent does not stay up ({unit})")
        if time.monotonic() > until_s and settled:
            raise _unhealthy(
                session, f"the master has not taken it into its run again within {health_check.most_s:.0f} s"
            )
        if time.monotonic() > until_s:
            raise _unhealthy(session, f"the agent is still {unit} after {health_check.most_s:.0f} s")
        may_settle_s = min(left_s, until_s - time.monotonic()) if unit.is_well else 0.0
        time.sleep(max(_POLL_S, may_settle_s))


def _has_master(host: Host) -> bool:
    """Whether a master listens where the host's node looks for it."""
    address, _, port = (host.controller or "").removeprefix("tcp://").rpartition(":")
    try:
        socket.create_connection((address.strip("[]"), int(port)), timeout=_POLL_S).close()
    except (OSError, ValueError):
        return False
    return True


def _raise_if_interrupted(go_on: Callable[[], bool]) -> None:
    if not go_on():
        raise HostFailure(Cause.INTERRUPTED, "stopped before the switch; it runs what it ran before")


def _restart(session: HostSession, name: str) -> None:
    try:
        session.act("restart", name, most_s=_STEP_S)
    except HostFailure as failure:
        if failure.cause is not Cause.COMMAND:
            raise
        raise _unhealthy(session, f"the agent does not start: {failure.message}") from None


def _unhealthy(session: HostSession, text: str) -> HostFailure:
    try:
        said = session.logs(_LAST_LINES).strip().splitlines()
    except HostFailure:
        said = []
    own = [line for line in said if not _OF_SYSTEMD.search(line)] or said
    return HostFailure(Cause.UNWELL, f"{text}; it last said: {own[-1].strip()[-200:]}" if own else text)


def _switch_back(session: HostSession, former: PreviousReleases, health_check: HealthCheck) -> str:
    """Switch back to `former` and restart the agent; return in words how that went."""
    session.extend(_BACK_S)
    try:
        session.script("back", *(f"releases/{name}" if name else "" for name in (former.current, former.previous)))
        if not former.current:
            session.act("stop")
            return "stopped, since there is no former release"
        session.act("restart", former.current)
        wait_until_healthy(session, health_check, in_run=False)
    except HostFailure as failure:
        return f"switched back to {former.current or 'none'}, which failed too: {failure.message}"
    return f"rolled back to {former.current}"
