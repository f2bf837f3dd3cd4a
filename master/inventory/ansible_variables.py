"""Ansible's connection variables: which of them mean the same here, and which are refused, and why. Pure.

`fab provision` runs Ansible, the other commands do not. A variable that only one of both honoured would let them reach different
machines, or one machine as different users, so it is refused by its name, with what to do instead.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "ansible_host": ("ansible_ssh_host",),
    "ansible_port": ("ansible_ssh_port",),
    "ansible_user": ("ansible_ssh_user",),
    "ansible_ssh_private_key_file": ("ansible_private_key_file",),
}
"""Aliases that Ansible knows. Where a host has both, Ansible uses the one with `ssh` in it."""

SSH_ARGUMENTS = "ansible_ssh_common_args"
"""Variable with further arguments of ssh for a host, which follow Ansible's own."""

_BY_KEY = "piswarm logs in by key alone: put one on the host (ssh-copy-id), and leave this out"
_BY_FILE = "name the key's file, as ansible_ssh_private_key_file, and give its passphrase to your SSH agent (ssh-add)"
_FOR_ALL = f"it would not count for all that goes to the host: use {SSH_ARGUMENTS}"
_FORBIDDEN = {
    "ansible_password": _BY_KEY,
    "ansible_ssh_pass": _BY_KEY,
    "ansible_ssh_password": _BY_KEY,
    "ansible_private_key": _BY_FILE,
    "ansible_ssh_private_key": _BY_FILE,
    "ansible_private_key_passphrase": _BY_FILE,
    "ansible_ssh_private_key_passphrase": _BY_FILE,
    "ansible_ssh_pkcs11_provider": "add its keys to your SSH agent (ssh-add -s), and leave this out",
    "ansible_ssh_args": f"it takes the place of the arguments that have host keys checked: use {SSH_ARGUMENTS}",
    "ansible_ssh_executable": "piswarm takes the ssh that is found by PATH: leave this out",
    "ansible_ssh_extra_args": _FOR_ALL,
    "ansible_sftp_extra_args": _FOR_ALL,
    "ansible_scp_extra_args": _FOR_ALL,
    "ansible_sftp_executable": _FOR_ALL,
    "ansible_scp_executable": _FOR_ALL,
}


def _one_of(*values: str) -> Callable[[object], bool]:
    return lambda value: value in values


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() in ("true", "yes", "on", "1"))


_ALLOWED: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "ansible_connection": (
        _one_of("ssh", "smart", "ansible.builtin.ssh"),
        "piswarm reaches hosts by ssh alone; the controller's own machine is no node",
    ),
    "ansible_host_key_checking": (_is_true, "host keys are always checked: leave this out, and run fab enroll"),
    "ansible_ssh_host_key_checking": (_is_true, "host keys are always checked: leave this out, and run fab enroll"),
    "ansible_shell_type": (_one_of("sh", "ansible.builtin.sh"), "piswarm needs a login shell that is like sh"),
    "ansible_become_user": (_one_of("root"), "a host is provisioned by root: leave this out"),
    "ansible_become_method": (_one_of("sudo", "ansible.builtin.sudo"), "piswarm becomes root by sudo alone"),
}
"""The values that are allowed, and why others are refused. Other `ansible_become…` variables, a password say, are for `fab provision` alone."""

RESTRICTED = frozenset(_ALLOWED)
"""Variables that are allowed with some values only."""

_WITH_VALUE = re.compile(r"-([oJlpi])(.*)", re.DOTALL)
_WITHOUT = re.compile(r"-[46aACkKqTtx]+|-v{1,3}")


def reason_refused(variable: str, value: object) -> str:
    """Return why `variable` can't have that value, and what to do; empty where it can, or is no connection variable."""
    if variable in _FORBIDDEN:
        return _FORBIDDEN[variable]
    if variable in _ALLOWED:
        fits, reason = _ALLOWED[variable]
        return "" if fits(value) else reason
    return ""


def aliases(variable: str) -> tuple[str, ...]:
    """Return the other names of `variable`."""
    return _ALIASES.get(variable, ())


def effective_name(variable: str, found: Mapping[str, object]) -> str:
    """Return the name in `found` that Ansible reads `variable` from; `variable` itself where none of its names is there."""
    names = [name for name in (variable, *aliases(variable)) if name in found]
    with_ssh = [name for name in names if name.startswith("ansible_ssh_")]
    return (with_ssh or names or [variable])[0]


def parse_arguments(value: object) -> tuple[str, ...]:
    """Split `value` into arguments of ssh as Ansible does. Raises ValueError for arguments that do more than reach a host."""
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004  # one kind of error for what an operator wrote
    words = [word.strip() for word in shlex.split(value) if word.strip()]
    left = iter(words)
    for word in left:
        option = _WITH_VALUE.fullmatch(word)
        if option is None and not _WITHOUT.fullmatch(word):
            raise ValueError
        if option is not None and not (option[2] or next(left, "")):
            raise ValueError
    if not all(word.isprintable() for word in words):
        raise ValueError
    return tuple(words)
