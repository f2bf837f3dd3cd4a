"""One host as the controller needs it, made from its inventory variables and checked. Pure.

Ansible's own variables say how to reach it: `ansible_host`, `ansible_user`, `ansible_port`, `ansible_ssh_private_key_file` and
their other names, `ansible_ssh_common_args`. They mean what they mean to Ansible, or are refused (ansible_variables.py).
Ours say what to make of it: `piswarm_weight`, `piswarm_workers`, `piswarm_model`; `piswarm_controller` says how it reaches the controller.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from master.errors import InputError, list_faults
from master.inventory.ansible_variables import ARGUMENTS, heeded, older, parse_arguments, refusal
from master.store import CONTROLLER
from worker.wire.messages import MAX_WORKERS

DEFAULT_PORT = 22
"""Where neither the inventory nor ~/.ssh/config has one."""
CONTROLLER_PORT = 5557
"""Where nothing else is said."""
MAX_WEIGHT = 1000.0
_MAX_SHOWN = 10**40

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
# Not to begin with a hyphen: it would be an option of ssh.
_ADDRESS = re.compile(r"[A-Za-z0-9:][A-Za-z0-9._:%-]{0,254}")
_CONTROLLER = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::([0-9]{1,5}))?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


@dataclass(frozen=True)
class Host:
    """A host of the inventory. Its name is its node's name."""

    name: str
    address: str
    user: str | None
    """None: whoever runs the deployment, or what ~/.ssh/config says."""
    port: int | None
    """None: what ~/.ssh/config says, or 22."""
    key_file: Path | None
    """A path as Ansible takes it: `~` is the home directory, a relative one begins at the working directory."""
    weight: float | None
    """How much load it carries, in cores of a Raspberry Pi 4 at full clock; None: as much as it is measured to carry."""
    workers: int | None
    """Locust workers on it; None: one per core."""
    model: str | None
    """What the operator says it is, such as "Raspberry Pi 4B"."""
    groups: tuple[str, ...]
    """All groups around it, by name, without `all`."""
    controller: str | None = None
    """The ZeroMQ address by which it reaches the controller, such as `tcp://192.0.2.1:5557`."""
    variables: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """All others of its variables."""
    ssh_args: tuple[str, ...] = ()
    """Further arguments of ssh, which may name another port or a jump host where nothing above does."""


@dataclass(frozen=True)
class Variable:
    """A variable's value, and where it is written; no line where that is not known."""

    value: object
    file: Path
    line: int | None = None


@dataclass(frozen=True)
class HostEntry:
    """A host as Ansible reads it: name, groups, merged variables, and where it is written."""

    name: str
    groups: tuple[str, ...]
    variables: Mapping[str, Variable]
    file: Path
    line: int | None = None


@dataclass(frozen=True, order=True)
class InventoryFault:
    """One thing wrong: where and what. Line 0 where it is not known."""

    file: Path
    line: int
    text: str


def hosts_of(found: Iterable[HostEntry]) -> tuple[Host, ...]:
    """Each of `found` as a Host, in the same order. Raises InputError with the faults of all, each with file and line."""
    faults: list[InventoryFault] = []
    hosts = []
    reached: dict[tuple[object, ...], str] = {}
    for entry in found:
        host = _host(entry, faults)
        other = reached.setdefault((host.address, host.port, host.ssh_args), host.name)
        if other != host.name:
            at = entry.variables.get("ansible_host")
            text = f"{host.name} has the address and port of {other}: {host.address}, port {host.port or DEFAULT_PORT}"
            faults.append(_fault(text, at or entry))
        hosts.append(host)
    raise_faults(faults)
    return tuple(hosts)


def raise_faults(faults: Iterable[InventoryFault]) -> None:
    """Raise all of `faults` as one InputError; do nothing when there are none."""
    ordered = sorted(set(faults))
    if not ordered:
        return
    hint = "correct the inventory; nothing was started"
    if len(ordered) == 1:
        raise InputError(ordered[0].text, file=ordered[0].file, line=ordered[0].line or None, hint=hint)
    rows = (f"{fault.file}{f':{fault.line}' if fault.line else ''}: {fault.text}" for fault in ordered)
    raise InputError(f"{len(ordered)} faults in the inventory\n{list_faults(rows, len(ordered))}", hint=hint)


def _fault(text: str, at: Variable | HostEntry) -> InventoryFault:
    return InventoryFault(at.file, at.line or 0, text)


def _host(entry: HostEntry, faults: list[InventoryFault]) -> Host:
    """The host; what is wrong with it is added to `faults`, and a default stands in its place."""
    name = entry.name
    if "_" in name:
        faults.append(
            _fault(f"{name}: no '_' in a node's name, where it parts the node from its workers; use '-'", entry)
        )
    elif not _NAME.fullmatch(name):
        text = f"{name[:80]!r} as a node's name: up to 63 letters, digits, '-' and '.', beginning and ending with none of these"
        faults.append(_fault(text, entry))
    elif name == CONTROLLER:
        text = f"{name} as a node's name: the controller's own, whose telemetry it would be taken for; choose another"
        faults.append(_fault(text, entry))
    left = dict(entry.variables)
    taken: dict[str, Any] = {}
    for variable, (read, wanted) in _READ.items():
        said = heeded(variable, left)
        at = left.pop(said, None)
        for other in (variable, *older(variable)):
            left.pop(other, None)
        if at is None:
            continue
        try:
            taken[variable] = read(at.value)
        except (ValueError, TypeError):
            faults.append(_fault(f"{said} of {name}: {shown(at.value)} is not {wanted}", at))
    for variable, at in left.items():
        reason = refusal(variable, at.value)
        if reason:
            faults.append(_fault(f"{variable} of {name}: {reason}", at))
        near = variable.startswith("piswarm_") and difflib.get_close_matches(variable, _READ, n=1, cutoff=0.85)
        if near:
            faults.append(_fault(f"{variable} of {name} means nothing; did you mean {near[0]!r}?", at))
    return Host(
        name=name,
        address=taken.get("ansible_host", name),
        user=taken.get("ansible_user"),
        port=taken.get("ansible_port"),
        key_file=taken.get("ansible_ssh_private_key_file"),
        weight=taken.get("piswarm_weight"),
        workers=taken.get("piswarm_workers"),
        model=taken.get("piswarm_model"),
        groups=tuple(sorted(entry.groups)),
        controller=taken.get("piswarm_controller"),
        ssh_args=taken.get(ARGUMENTS, ()),
        variables=MappingProxyType({variable: at.value for variable, at in left.items()}),
    )


def shown(value: object) -> str:
    """`value` in a message: never long, whatever it is. Pure."""
    if isinstance(value, int) and not -_MAX_SHOWN < value < _MAX_SHOWN:
        return "a number of that many digits"  # which Python does not even show
    return "nothing" if value is None else repr(value)[:80]


def _matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        return value

    return read


def _whole(most: int) -> Callable[[object], int]:
    """A whole number from 1 to `most`; as text too, which is what a template or a quoted number gives."""

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError
        return value

    return read


def _weight(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    weight = float(value)
    if not 0 < weight <= MAX_WEIGHT:
        raise ValueError
    return weight


def _key_file(value: object) -> Path:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    path = Path(value)
    try:
        return path.expanduser()
    except RuntimeError:  # the home directory of nobody known
        raise ValueError from None


def _model(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 100 or not value.isprintable():
        raise ValueError
    return value


def _controller(value: object) -> str:
    found = _CONTROLLER.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 1 <= (port := int(found[2] or CONTROLLER_PORT)) <= 65535:
        raise ValueError
    if found[1].startswith("["):
        ipaddress.IPv6Address(found[1][1:-1])  # a ValueError, where it is none
    return f"tcp://{found[1]}:{port}"


# How each variable is read, and the words for what it should have been.
_READ: dict[str, tuple[Callable[[object], object], str]] = {
    "ansible_host": (_matching(_ADDRESS), "a host name or an address"),
    "ansible_user": (_matching(_USER), "a user's name"),
    "ansible_port": (_whole(65535), "a port from 1 to 65535"),
    "ansible_ssh_private_key_file": (_key_file, "a file's path"),
    ARGUMENTS: (
        parse_arguments,
        "a list of ssh's options -o, -J, -l, -p and -i, and such as -4, -6 and -C; others do more than reach a host",
    ),
    "piswarm_weight": (_weight, f"a number above 0, up to {MAX_WEIGHT:g}"),
    "piswarm_workers": (_whole(MAX_WORKERS), f"a whole number from 1 to {MAX_WORKERS}"),
    "piswarm_model": (_model, "a short text"),
    "piswarm_controller": (_controller, "an address such as 192.0.2.1, 192.0.2.1:5557 or [2001:db8::1]:5557"),
}

UNDERSTOOD = frozenset(_READ) | {other for name in _READ for other in older(name)}
"""All variables that say something here."""
