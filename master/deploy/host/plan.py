"""What is to be done to a host, from what it is and what it should be. Pure: nothing is asked, and nothing is done.

    facts ─► plan ─► UPLOAD VERIFY PLACE       the release is there, beside the old one, and nobody uses it
                  ─► KEYS CONFIGURE            the node has its key pair, and knows its controller
                  ─► SWITCH RESTART HEALTH_CHECK   the agent runs it, or it is rolled back
                  ─► PRUNE                     releases that are not needed any more are gone

Whatever of it was done before, by whoever, is skipped: a deployment whose connection was lost goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.facts import HostFacts
from master.inventory.host import short_repr
from master.release.builder import Release
from master.release.platforms import Platform

KEPT = 3
"""Releases that stay on a host, the current and the previous one among them."""
_BYTE_CODE = 1.0
"""What importing all of a release adds, relative to its own size (measured: 0.7), where no byte code came with it."""
_ROOM_BYTES = 20 << 20
"""What is left free on the host's disk."""


class Step(StrEnum):
    """One step at a host; each leaves it with the old release or the new."""

    CONNECT = "connect"
    FACTS = "facts"
    LOCK = "lock"
    UPLOAD = "upload"
    VERIFY = "verify"
    PLACE = "place"
    KEYS = "node key"
    CONFIGURE = "settings"
    SWITCH = "switch"
    RESTART = "restart"
    HEALTH_CHECK = "health check"
    PRUNE = "prune"


@dataclass(frozen=True)
class HostPlan:
    """What is to be done, in order."""

    steps: tuple[Step, ...]
    removable: tuple[str, ...] = ()
    """What PRUNE removes, below releases/."""

    @property
    def reasons(self) -> str:
        """What differs, in words."""
        words = {
            Step.UPLOAD: "release is not there",
            Step.KEYS: "node has no key",
            Step.CONFIGURE: "settings differ",
            Step.SWITCH: "runs another release",
            Step.RESTART: "agent is not running it",
            Step.HEALTH_CHECK: "not seen healthy yet",
            Step.PRUNE: "old releases to remove",
        }
        found = [text for step, text in words.items() if step in self.steps]
        if Step.SWITCH in self.steps:
            found = [text for text in found if text not in (words[Step.RESTART], words[Step.HEALTH_CHECK])]
        return ", ".join(found)


def platform_of(facts: HostFacts) -> Platform:
    """What a release for the host is made for. Raises HostFailure."""
    try:
        return Platform(facts.arch, facts.python)
    except ValueError as error:
        text = str(error) if facts.python else "it has no python3"
        raise HostFailure(Cause.NOT_PREPARED, text, "install 64-bit Raspberry Pi OS bookworm or trixie") from None


def plan(facts: HostFacts, release: Release, settings: str, *, kept: int = KEPT) -> HostPlan:
    """What makes the host run `release`, with settings of the digest `settings`. Raises HostFailure where that can't be done."""
    check(facts)
    check_unit(facts)
    is_there = release.name in facts.releases
    steps = []
    if not is_there:
        code_bytes = release.code_bytes or release.unpacked_bytes * _BYTE_CODE
        need = release.unpacked_bytes + code_bytes + _ROOM_BYTES
        if facts.free_bytes < need:
            text = f"{facts.free_bytes / 1e6:.0f} MB are free, and {need / 1e6:.0f} MB are needed"
            raise HostFailure(Cause.DISK, text)
        steps += [Step.UPLOAD, Step.VERIFY, Step.PLACE]
    if not facts.public_key:
        steps.append(Step.KEYS)
    if facts.settings != settings:
        steps.append(Step.CONFIGURE)
    if facts.current != release.name:
        steps.append(Step.SWITCH)
    runs_it = facts.current == facts.started == release.name and is_there and facts.unit.is_active
    # An agent that was never seen healthy, and has ended by itself meanwhile, is started once more.
    unconfirmed = facts.healthy != release.name and not facts.unit.is_healthy
    if not runs_it or unconfirmed or Step.CONFIGURE in steps:
        steps.append(Step.RESTART)
    if Step.RESTART in steps or facts.healthy != release.name:
        steps.append(Step.HEALTH_CHECK)
    previous = facts.current if Step.SWITCH in steps else facts.previous
    removable = removable_releases(facts, {release.name, previous}, kept=kept)
    if removable:
        steps.append(Step.PRUNE)
    return HostPlan(tuple(steps), removable)


def removable_releases(facts: HostFacts, needed: set[str], *, kept: int = KEPT) -> tuple[str, ...]:
    """Entries below releases/ to remove: incomplete ones, and the oldest beyond `kept`; those `needed` count, and stay."""
    others = sorted(facts.releases.keys() - needed, key=lambda name: (facts.releases[name], name), reverse=True)
    room = max(0, kept - len(needed - {""}))
    return (*facts.incomplete, *sorted(others[room:]))


def check(facts: HostFacts) -> None:
    """Raise HostFailure when the host is not prepared."""
    if facts.root == "missing":
        raise HostFailure(Cause.NOT_PREPARED, "the directory for releases is not there")
    if facts.root != "writable":
        raise HostFailure(Cause.NOT_PREPARED, "the directory for releases can't be written to by the login user")
    if not facts.unit.is_loaded:
        raise HostFailure(Cause.NOT_PREPARED, "the agent's unit is not there")
    if facts.etc == "refused":
        text = "the node's own directory can't be read: the login user may not act as its owner, piswarm"
        raise HostFailure(Cause.SUDO, text, "let the deploy user act as piswarm: fab provision --limit HOST")
    if facts.etc != "writable":
        raise HostFailure(Cause.NOT_PREPARED, f"the node's own directory is {facts.etc}")


def check_unit(facts: HostFacts) -> None:
    """Raise HostFailure when the host's unit is of another version, and can't start a release of this one."""
    if facts.unit.starts_another_agent:
        raise HostFailure(
            Cause.NOT_PREPARED,
            f"its unit is of another version: it starts {short_repr(facts.unit.command)}",
            "fab stop-workers --limit HOST, then fab provision --limit HOST, then deploy",
        )


def rollback_to(facts: HostFacts) -> str:
    """The release to go back to. Raises HostFailure when there is none."""
    check(facts)
    if facts.previous and facts.previous != facts.current and facts.previous in facts.releases:
        return facts.previous
    raise HostFailure(
        Cause.NOT_PREPARED, "there is no previous release", "deploy the one that is wanted: fab deploy-workers"
    )
