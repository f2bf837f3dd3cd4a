"""One host of the inventory, parsed from its variables and validated. Pure.

Ansible's own variables say how to reach it: `ansible_host`, `ansible_user`, `ansible_port`, `ansible_ssh_private_key_file` and
their aliases, `ansible_ssh_common_args`. They mean what they mean to Ansible, or are refused (ansible_variables.py).
piswarm's own are `piswarm_weight`, `piswarm_workers`, `piswarm_model`, and `piswarm_controller`, the controller's address for the node.
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
from master.inventory.ansible_variables import SSH_ARGUMENTS, aliases, effective_name, parse_arguments, reason_refused
from master.store import CONTROLLER
from worker.wire.bounds import MAX_WORKERS

DEFAULT_PORT = 22
"""SSH port where neither the inventory nor ~/.ssh/config has one."""
CONTROLLER_PORT = 5557
"""Port of the controller where `piswarm_controller` has none."""
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
    """User of the login; None: the user in ~/.ssh/config, or who runs the deployment."""
    port: int | None
    """SSH port; None: the one in ~/.ssh/config, or 22."""
    key_file: Path | None
    """Private key, by a path as Ansible takes it: `~` is the home directory, a relative one begins at the working directory."""
    weight: float | None
    """Capacity in cores of a Raspberry Pi 4 at full clock; None: as measured by the agent."""
    workers: int | None
    """Number of Locust workers; None: one per core."""
    model: str | None
    """Board model that the operator gives, such as "Raspberry Pi 4B"."""
    groups: tuple[str, ...]
    """All groups that it is in, sorted by name, without `all`."""
    controller: str | None = None
    """ZeroMQ address of the controller for this node, such as `tcp://192.0.2.1:5557`."""
    variables: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    """All other variables."""
    ssh_args: tuple[str, ...] = ()
    """Arguments of ssh, for a jump host, say, and for a port or user where no variable gives one."""


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
    """One fault of the inventory. Line 0 where it is not known."""

    file: Path
    line: int
    text: str


def parse_hosts(found: Iterable[HostEntry]) -> tuple[Host, ...]:
    """Return each of `found` as a Host, in the same order. Raises InputError with the faults of all, each with file and line."""
    faults: list[InventoryFault] = []
    hosts = []
    reached: dict[tuple[object, ...], str] = {}
    for entry in found:
        host = _parse_host(entry, faults)
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


def _parse_host(entry: HostEntry, faults: list[InventoryFault]) -> Host:
    """Parse one host. Its faults are added to `faults`, and defaults take the place of wrong values."""
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
    parsed: dict[str, Any] = {}
    for variable, (parse, wanted) in _PARSERS.items():
        name_used = effective_name(variable, left)
        at = left.pop(name_used, None)
        for other in (variable, *aliases(variable)):
            left.pop(other, None)
        if at is None:
            continue
        try:
            parsed[variable] = parse(at.value)
        except (ValueError, TypeError):
            faults.append(_fault(f"{name_used} of {name}: {short_repr(at.value)} is not {wanted}", at))
    for variable, at in left.items():
        reason = reason_refused(variable, at.value)
        if reason:
            faults.append(_fault(f"{variable} of {name}: {reason}", at))
        near = variable.startswith("piswarm_") and difflib.get_close_matches(variable, _PARSERS, n=1, cutoff=0.85)
        if near:
            faults.append(_fault(f"{variable} of {name} means nothing; did you mean {near[0]!r}?", at))
    return Host(
        name=name,
        address=parsed.get("ansible_host", name),
        user=parsed.get("ansible_user"),
        port=parsed.get("ansible_port"),
        key_file=parsed.get("ansible_ssh_private_key_file"),
        weight=parsed.get("piswarm_weight"),
        workers=parsed.get("piswarm_workers"),
        model=parsed.get("piswarm_model"),
        groups=tuple(sorted(entry.groups)),
        controller=parsed.get("piswarm_controller"),
        ssh_args=parsed.get(SSH_ARGUMENTS, ()),
        variables=MappingProxyType({variable: at.value for variable, at in left.items()}),
    )


def short_repr(value: object) -> str:
    """Return `value` for a message, in at most 80 characters."""
    if isinstance(value, int) and not -_MAX_SHOWN < value < _MAX_SHOWN:
        return "a number of that many digits"  # which Python does not even show
    return "nothing" if value is None else repr(value)[:80]


def _parser_matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        return value

    return parse


def _whole_number_parser(max_value: int) -> Callable[[object], int]:
    """Parser of whole numbers from 1 to `most`, also as text, which a template or a quoted number gives."""

    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= max_value:
            raise ValueError
        return value

    return parse


def _parse_weight(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    weight = float(value)
    if not 0 < weight <= MAX_WEIGHT:
        raise ValueError
    return weight


def _parse_key_file(value: object) -> Path:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    path = Path(value)
    try:
        return path.expanduser()
    except RuntimeError:  # the home directory of nobody known
        raise ValueError from None


def _parse_model(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 100 or not value.isprintable():
        raise ValueError
    return value


def _parse_controller(value: object) -> str:
    found = _CONTROLLER.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 1 <= (port := int(found[2] or CONTROLLER_PORT)) <= 65535:
        raise ValueError
    if found[1].startswith("["):
        ipaddress.IPv6Address(found[1][1:-1])  # a ValueError, where it is none
    return f"tcp://{found[1]}:{port}"


# The parser of each variable, and what a message says that its value should be.
_PARSERS: dict[str, tuple[Callable[[object], object], str]] = {
    "ansible_host": (_parser_matching(_ADDRESS), "a host name or an address"),
    "ansible_user": (_parser_matching(_USER), "a user's name"),
    "ansible_port": (_whole_number_parser(65535), "a port from 1 to 65535"),
    "ansible_ssh_private_key_file": (_parse_key_file, "a file's path"),
    SSH_ARGUMENTS: (
        parse_arguments,
        "a list of ssh's options -o, -J, -l, -p and -i, and such as -4, -6 and -C; others do more than reach a host",
    ),
    "piswarm_weight": (_parse_weight, f"a number above 0, up to {MAX_WEIGHT:g}"),
    "piswarm_workers": (_whole_number_parser(MAX_WORKERS), f"a whole number from 1 to {MAX_WORKERS}"),
    "piswarm_model": (_parse_model, "a short text"),
    "piswarm_controller": (_parse_controller, "an address such as 192.0.2.1, 192.0.2.1:5557 or [2001:db8::1]:5557"),
}

KNOWN_VARIABLES = frozenset(_PARSERS) | {other for name in _PARSERS for other in aliases(name)}
"""Names of all variables that a Host is parsed from, aliases included."""
