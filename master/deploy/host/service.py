"""How a host's agent is started, stopped and queried: by systemd, or by a program that speaks as little of it as is needed.

`piswarm_service: /path/of/program` in the inventory names such a program, for hosts without systemd. It is called with `start`,
`stop`, `restart`, `logs LINES`, `logs LINES follow` or `show`; the last prints the lines that `systemctl show` would, of PROPERTIES.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, Protocol

from master.errors import InputError
from master.inventory.host import Host, short_repr
from worker.agent import service as agent

UNIT = "piswarm-agent.service"
ROOT = "/opt/piswarm"
ETC = "/etc/piswarm"
USER = "piswarm"
"""Whom agent and workers run as."""
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "StatusText",
    "NRestarts",
    "MainPID",
    "ActiveEnterTimestampMonotonic",
    "ExecStart",
)
Verb = Literal["start", "stop", "restart"]

_ARGUMENTS = re.compile(r"argv\[\]=(.*?) ; ")
"""The command of an ExecStart as `systemctl show` prints it: `{ path=… ; argv[]=… ; ignore_errors=no ; … }`."""
_PATH = re.compile(r"/[A-Za-z0-9._/+-]{1,200}")


@dataclass(frozen=True)
class Unit:
    """State of the agent's unit at a moment."""

    is_loaded: bool
    state: str
    """`active`, `activating`, `inactive` or `failed`."""
    restarts: int
    """By itself, since it was last started."""
    active_s: float
    """For how long it has been in that state, if it is active; 0 where that is unknown."""
    status_text: str = ""
    """What the agent itself says that it does, if it is active."""
    command: str = ""
    """What the unit starts; empty where that is unknown, as of a program of the host's own."""

    @property
    def is_active(self) -> bool:
        """Whether the agent runs, as far as its host's service manager knows."""
        return self.state == "active"

    @property
    def is_in_run(self) -> bool:
        """Whether a controller has taken the node into a run, as the agent says."""
        return self.status_text.startswith(agent.IN_RUN)

    @property
    def starts_another_agent(self) -> bool:
        """Whether the unit is of a version whose agent was another module: it can't start a release of this one."""
        return bool(self.command) and agent.__name__ not in self.command.split()

    @property
    def is_healthy(self) -> bool:
        """Whether it runs since it was last started, without having ended meanwhile."""
        return self.is_active and self.restarts == 0

    def __str__(self) -> str:
        if not self.is_loaded:
            return "not there"
        return f"{self.state}, restarted {self.restarts} times" if self.restarts else self.state


class Service(Protocol):
    """The commands of one service manager, as shell text."""

    def show(self) -> str:
        """Prints PROPERTIES, as `systemctl show` does."""

    def control(self, verb: Verb) -> str:
        """Starts, stops or restarts the agent, and ends when that is done."""

    def logs(self, lines: int, *, follow: bool = False) -> str:
        """Prints the last lines that the agent said; with `follow` goes on for ever, and is one simple command."""


@dataclass(frozen=True)
class Systemd:
    """The unit that the Ansible role installs. A deploy user other than root needs sudo for three commands, named in ansible/README.md."""

    sudo: bool

    def show(self) -> str:
        """As anybody may."""
        return f"systemctl show {UNIT} {' '.join(f'-p {name}' for name in PROPERTIES)}"

    def control(self, verb: Verb) -> str:
        """By `sudo -n`, which asks for no password and fails where one is needed."""
        return f"{'sudo -n ' if self.sudo else ''}systemctl {verb} {UNIT}"

    def logs(self, lines: int, *, follow: bool = False) -> str:
        """As members of the group `systemd-journal` may."""
        return f"journalctl --no-pager --quiet --output short-iso -n {lines} -u {UNIT}{' --follow' if follow else ''}"


@dataclass(frozen=True)
class Program:
    """A program of the host's own."""

    path: str

    def show(self) -> str:
        """See the module."""
        return f"{shlex.quote(self.path)} show"

    def control(self, verb: Verb) -> str:
        """See the module."""
        return f"{shlex.quote(self.path)} {verb}"

    def logs(self, lines: int, *, follow: bool = False) -> str:
        """See the module."""
        return f"{shlex.quote(self.path)} logs {lines}{' follow' if follow else ''}"


@dataclass(frozen=True)
class Layout:
    """Where things are on a host."""

    root: str
    """The directory of the releases; it belongs to who deploys."""
    etc: str
    """The node's own directory: its settings and keys."""
    owner: str
    """Whose that is; empty for who deploys."""


def service_of(host: Host) -> Service:
    """What manages the agent of `host`. Raises InputError."""
    named = host.variables.get("piswarm_service", "systemd")
    if named == "systemd":
        return Systemd(sudo=host.user != "root")
    return Program(_path(host, "piswarm_service", named))


def layout_of(host: Host) -> Layout:
    """Where things are on `host`: with systemd where the playbook puts them. Raises InputError.

    Much is removed below these directories, so that none of them is one that the system or somebody's home is in.
    """
    by_systemd = isinstance(service_of(host), Systemd)
    found = {}
    for variable, default in (("piswarm_root", ROOT), ("piswarm_etc", ETC)):
        found[variable] = _path(host, variable, host.variables.get(variable, default))
        if is_system_directory(found[variable]):
            raise _refused(host, variable, f"{found[variable]} is a directory of the system")
        if by_systemd and found[variable] != default:
            text = f"{variable} of {host.name}: the agent's unit knows {default} alone"
            raise InputError(text, hint="leave it out; it is for hosts with a piswarm_service of their own")
    root, etc = PurePosixPath(found["piswarm_root"]), PurePosixPath(found["piswarm_etc"])
    if root.is_relative_to(etc) or etc.is_relative_to(root):
        raise _refused(host, "piswarm_etc", f"{etc} and piswarm_root, {root}, are not apart")
    return Layout(str(root), str(etc), USER if by_systemd else "")


def is_system_directory(path: str) -> bool:
    """Whether the normalised absolute `path` is no directory for one program alone. Pure."""
    _, top, *below = path.split("/")
    if top == "etc":
        return len(below) != 1 or not below[0].startswith("piswarm")
    if top == "usr":
        return below[:1] != ["local"] or len(below) < 2 or below[1] in _OF_USR_LOCAL
    if top == "var":
        return len(below) < 2 or below[0] not in _OF_VAR or below[1] in _OF_VAR_LIB
    return top in _SYSTEM or len(below) < (2 if top == "home" else 1)


_SYSTEM = frozenset(
    {"", "bin", "boot", "dev", "lib", "lib32", "lib64", "libx32", "lost+found", "proc", "run", "sbin", "sys"}
)
_OF_USR_LOCAL = frozenset({"bin", "etc", "games", "include", "lib", "man", "sbin", "share", "src"})
_OF_VAR = frozenset({"lib", "opt", "tmp"})
_OF_VAR_LIB = frozenset({"apt", "dbus", "dpkg", "pam", "private", "python", "sudo", "systemd", "ucf"})


def _path(host: Host, variable: str, value: object) -> str:
    """`value` without a slash at its end. Raises InputError unless it says one place only, in one way."""
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise _refused(host, variable, f"{short_repr(value)} is no absolute path of letters, digits and . _ / + -")
    parts = value.removesuffix("/").split("/")[1:]
    if {"", ".", ".."} & set(parts):
        raise _refused(host, variable, f"{short_repr(value)} has an empty part, or one that is '.' or '..'")
    if len(parts) < 2:
        raise _refused(host, variable, f"{short_repr(value)} is not below another directory")
    return "/" + "/".join(parts)


def _refused(host: Host, variable: str, text: str) -> InputError:
    return InputError(f"{variable} of {host.name}: {text}", hint="correct the inventory; nothing was started")


def parse_unit_properties(shown: Mapping[str, str], uptime_s: float) -> Unit:
    """The unit from what `show` printed; a line that is missing is as if it were not there. Pure."""

    def number(name: str) -> int:
        text = shown.get(name, "")
        return int(text) if text.isdecimal() else 0

    began_us = number("ActiveEnterTimestampMonotonic")
    state = shown.get("ActiveState", "unknown")
    command = _ARGUMENTS.search(shown.get("ExecStart", ""))
    return Unit(
        is_loaded=shown.get("LoadState") == "loaded",
        state=state,
        restarts=number("NRestarts"),
        active_s=max(0.0, uptime_s - began_us / 1e6) if state == "active" and began_us else 0.0,
        status_text=shown.get("StatusText", "")[:200] if state == "active" else "",
        command=command[1][:200] if command else "",
    )
