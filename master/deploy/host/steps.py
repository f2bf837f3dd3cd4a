"""Executes a plan on one host. Until SWITCH, nothing that runs is touched; after it, the agent is healthy or is rolled back."""

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
_ROLLBACK_S = 90.0
"""For rolling back, whatever time the host has used."""
_STEP_S = 60.0
"""The most that restarting and pruning may take, in seconds; others take a moment. The host's deadline ends them too."""


@dataclass(frozen=True)
class HealthCheck:
    """When an agent counts as healthy: it is active for `settle_s` without having ended, at most `timeout_s` after its start.

    One whose node was in a run has to be in it again, if its master still listens.
    """

    settle_s: float = 3.0
    timeout_s: float = 45.0


def execute_plan(
    session: HostSession,
    plan: HostPlan,
    facts: HostFacts,
    release: Release,
    settings: SettingsFile,
    *,
    health_check: HealthCheck,
    on_step: StepProgress,
    should_continue: Callable[[], bool],
    check_key: Callable[[str], None],
) -> str:
    """Execute `plan` with the host's lock held; return the node's public key where it was made, else an empty text.

    `should_continue` is asked between the steps up to SWITCH; from there on, it is brought to an end. `check_key` raises HostFailure
    for a node key that can't be. Raises HostFailure: the host runs what it ran before, or it says that it does not.
    """
    public_key = ""

    at: Step | None = None

    def report_step(step: Step, sent: int = 0) -> None:
        nonlocal at
        if step is not at:
            _raise_if_interrupted(should_continue)
            at = step
        on_step(step, sent)

    if Step.UPLOAD in plan.steps:
        upload_release(session, release, facts, report_step)
    if Step.KEYS in plan.steps:
        report_step(Step.KEYS)
        public_key = session.script("keys", release.name).stdout.strip()
        check_key(public_key)
    if Step.CONFIGURE in plan.steps:
        report_step(Step.CONFIGURE)
        session.script("configure", settings.text)
    _raise_if_interrupted(should_continue)
    if any(step in plan.steps for step in (Step.SWITCH, Step.RESTART, Step.HEALTH_CHECK)):
        if facts.current != release.name or facts.healthy == release.name:
            previous = PreviousReleases(facts.current, facts.previous)
        else:  # switched by a deployment whose connection was lost
            previous = PreviousReleases(facts.previous if facts.previous in facts.releases else "", "")
        in_run = facts.unit.is_in_run
        switch_release(
            session, release.name, previous, plan.steps, in_run=in_run, health_check=health_check, on_step=on_step
        )
    if plan.removable:
        on_step(Step.PRUNE, 0)
        session.script("prune", *plan.removable, timeout_s=_STEP_S)
    return public_key


@dataclass(frozen=True)
class PreviousReleases:
    """The releases to roll back to: what `current` and `previous` meant before; empty for none."""

    current: str
    previous: str


def switch_release(
    session: HostSession,
    name: str,
    previous: PreviousReleases,
    steps: tuple[Step, ...],
    *,
    in_run: bool,
    health_check: HealthCheck,
    on_step: StepProgress,
) -> None:
    """Switch to the release `name`, restart the agent and wait until it is healthy, as far as `steps` says.

    `in_run` says whether the node is in a run. When that fails, the agent is started again with `previous`, and HostFailure raised all the same.
    """
    # Half a change is the worst of all: what has begun in time is given the time to end.
    session.extend(_ROLLBACK_S)
    try:
        if Step.SWITCH in steps:
            on_step(Step.SWITCH, 0)
            session.script("switch", name)
        if Step.RESTART in steps:
            on_step(Step.RESTART, 0)
            _restart(session, name)
        if Step.HEALTH_CHECK in steps:
            on_step(Step.HEALTH_CHECK, 0)
            wait_until_healthy(session, health_check, in_run=in_run)
            session.script("note-healthy", name)
    except HostFailure as failure:
        if failure.cause in (Cause.CONNECTION_LOST, Cause.LOCKED):
            raise  # nobody there to roll back, or somebody else's turn: the next deployment finds out what is missing
        back = _roll_back(session, previous, health_check)
        raise HostFailure(failure.cause, f"{failure.message}; {back}", failure.hint) from None


def wait_until_healthy(session: HostSession, health_check: HealthCheck, *, in_run: bool) -> None:
    """Wait until the agent is healthy. A node that was `in_run` has to be in it again, as long as its master listens.

    Raises HostFailure, with what the agent said last, when it is not.
    """
    until_s = time.monotonic() + health_check.timeout_s
    while True:
        unit = session.unit()
        left_s = health_check.settle_s - unit.active_s
        settled = unit.is_healthy and left_s <= 0
        if settled and (not in_run or unit.is_in_run or not _has_master(session.host)):
            return
        if unit.restarts or unit.state in ("failed", "inactive") or not unit.is_loaded:
            raise _unhealthy(session, f"the agent does not stay up ({unit})")
        if time.monotonic() > until_s and settled:
            raise _unhealthy(session, f"it is not in its run again within {health_check.timeout_s:.0f} s")
        if time.monotonic() > until_s:
            raise _unhealthy(session, f"the agent is still {unit} after {health_check.timeout_s:.0f} s")
        may_settle_s = min(left_s, until_s - time.monotonic()) if unit.is_healthy else 0.0
        time.sleep(max(_POLL_S, may_settle_s))


def _has_master(host: Host) -> bool:
    """Whether a master listens where the host's node looks for it."""
    address, _, port = (host.controller or "").removeprefix("tcp://").rpartition(":")
    try:
        socket.create_connection((address.strip("[]"), int(port)), timeout=_POLL_S).close()
    except (OSError, ValueError):
        return False
    return True


def _raise_if_interrupted(should_continue: Callable[[], bool]) -> None:
    if not should_continue():
        raise HostFailure(Cause.INTERRUPTED, "stopped before the switch; it runs what it ran before")


def _restart(session: HostSession, name: str) -> None:
    try:
        session.control("restart", name, timeout_s=_STEP_S)
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
    return HostFailure(Cause.UNHEALTHY, f"{text}; it last said: {own[-1].strip()[-200:]}" if own else text)


def _roll_back(session: HostSession, previous: PreviousReleases, health_check: HealthCheck) -> str:
    """Roll back to `previous` and restart the agent; return in words how that went."""
    session.extend(_ROLLBACK_S)
    try:
        session.script(
            "rollback", *(f"releases/{name}" if name else "" for name in (previous.current, previous.previous))
        )
        if not previous.current:
            session.control("stop")
            return "stopped, since there is no previous release"
        session.control("restart", previous.current)
        wait_until_healthy(session, health_check, in_run=False)
    except HostFailure as failure:
        return f"the rollback to {previous.current or 'none'} failed too: {failure.message}"
    return f"rolled back to {previous.current}"
