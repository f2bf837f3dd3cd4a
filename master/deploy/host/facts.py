"""What is known of a host before anything is done to it: one command (scripts/facts.sh), and a pure parser of what it prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from master.deploy.failures import Cause, HostFailure
from master.deploy.host import scripts
from master.deploy.host.service import Layout, Service, Unit, parse_unit_properties

_NAME = re.compile(r"[0-9a-f]{16}")
_ENTRY = re.compile(r"[A-Za-z0-9.][A-Za-z0-9._-]{0,80}")
_DIGEST = re.compile(r"[0-9a-f]{64}\b")
_PUBLIC_KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")  # Z85


@dataclass(frozen=True)
class Lock:
    """Who deploys to the host now."""

    token: str
    holder: str
    since: str
    left_s: float
    """When nobody says otherwise, it ends so soon; 0 when it has ended."""

    def __str__(self) -> str:
        return f"held by {self.holder} since {self.since}; expires in {self.left_s:.0f} s"


@dataclass(frozen=True)
class HostFacts:
    """A host as it was found."""

    arch: str
    """As `uname -m` has it."""
    python: str
    """Minor version of its python3, such as `3.13`; empty without one."""
    root: str
    """`writable`, `read-only` or `missing`: the directory for releases, to whoever logged in."""
    free_bytes: int
    current: str
    """The release that is switched to; empty for none."""
    previous: str
    """The one before it; empty for none."""
    started: str
    """The release that the agent was last started with, by us; empty for none."""
    healthy: str
    """The release that was last seen healthy; empty for none."""
    releases: Mapping[str, int]
    """Complete releases, with when each was put there, in seconds of the host's clock."""
    incomplete: tuple[str, ...]
    """What is below releases/ without being a complete release."""
    public_key: str
    """Of the node; empty where it has none yet."""
    etc: str
    """`writable`, `read-only` or `missing`: the node's own directory, to its owner; `refused` where he can't be acted for."""
    settings: str
    """SHA-256 of the node's settings; empty where it has none yet."""
    unit: Unit
    lock: Lock | None
    """None: nobody's, or one that has ended."""


def facts_command(layout: Layout, service: Service) -> str:
    """The command that prints what `parse_facts` reads."""
    return scripts.command("facts", layout, "", service.show())


def parse_facts(text: str) -> HostFacts:
    """Facts from what the command printed. Raises HostFailure for what it can't have printed whole. Pure."""
    values: dict[str, str] = {}
    releases: dict[str, int] = {}
    incomplete = []
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if key == "release":
            name, _, placed = value.removeprefix("releases/").replace("/.complete", "", 1).partition(" ")
            if _NAME.fullmatch(name) and placed.isdecimal():
                releases[name] = int(placed)
            elif _ENTRY.fullmatch(name):
                incomplete.append(name)
        elif key == "incomplete":
            if _ENTRY.fullmatch(value):
                incomplete.append(value)
        elif equals:
            values.setdefault(key, value.strip())
    if "end" not in values or "arch" not in values:
        raise HostFailure(Cause.COMMAND, f"its facts are not whole: {text[-200:].strip() or 'it said nothing'}")
    uptime_s = _float(values.get("uptime", ""))
    shown = {key.removeprefix("unit."): value for key, value in values.items() if key.startswith("unit.")}
    public_key = values.get("public_key", "")
    return HostFacts(
        arch=values["arch"],
        python=_minor(values.get("python", "")),
        root=values.get("root", "missing"),
        free_bytes=int(_float(values.get("free_kib", ""))) * 1024,
        current=_release(values.get("current", "")),
        previous=_release(values.get("previous", "")),
        started=_release(values.get("started", "")),
        healthy=_release(values.get("healthy", "")),
        releases=releases,
        incomplete=tuple(sorted(incomplete)),
        public_key=public_key if _PUBLIC_KEY.fullmatch(public_key) else "",
        etc=values.get("etc", "missing"),
        settings=_first(_DIGEST, values.get("settings", "")),
        unit=parse_unit_properties(shown, uptime_s),
        lock=_lock(values, uptime_s),
    )


def parse_unit(text: str) -> Unit:
    """The unit, from what scripts/unit.sh printed. Pure."""
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    shown = {key.removeprefix("unit."): value for key, value in values.items() if key.startswith("unit.")}
    return parse_unit_properties(shown, _float(values.get("uptime", "")))


@dataclass(frozen=True)
class LockHolder:
    """A lock as its host shows it to somebody else."""

    token: str
    by: str
    """The process that holds it (master/deploy/host/lock_owner.py)."""
    text: str
    """Who that is, in words."""


def parse_lock(text: str) -> LockHolder:
    """The lock that another one was refused for. Pure."""
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    words = f"held by {values.get('holder', 'somebody')} since {values.get('since', 'some time')}"
    return LockHolder(values.get("token", ""), values.get("by", ""), words)


def _minor(version: str) -> str:
    """`3.13` of `Python 3.13.5`."""
    found = re.match(r"Python ([0-9]+\.[0-9]+)\b", version)
    return found[1] if found else ""


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return found[0] if found else ""


def _release(target: str) -> str:
    name = target.removeprefix("releases/")
    return name if _NAME.fullmatch(name) else ""


def _lock(values: Mapping[str, str], uptime_s: float) -> Lock | None:
    left_s = _float(values.get("lock.until", "")) - uptime_s
    if "lock.token" not in values or values.get("lock.boot") != values.get("boot") or left_s <= 0:
        return None
    return Lock(values["lock.token"], values.get("lock.holder", ""), values.get("lock.since", ""), left_s)


def _float(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else 0.0
