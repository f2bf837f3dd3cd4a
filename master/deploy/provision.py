"""Runs the Ansible playbook so that it reaches the machines that the other commands reach, by the same keys, or not at all."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from master.deploy.ssh.route import STRICT, client_config, quoted
from master.errors import InputError
from master.inventory.ansible_variables import SSH_ARGUMENTS

_SETTINGS: Mapping[str, tuple[str, str, str]] = {
    "ANSIBLE_REMOTE_USER": ("defaults", "remote_user", "ansible_user"),
    "ANSIBLE_REMOTE_PORT": ("defaults", "remote_port", "ansible_port"),
    "ANSIBLE_PRIVATE_KEY_FILE": ("defaults", "private_key_file", "ansible_ssh_private_key_file"),
    "ANSIBLE_TRANSPORT": ("defaults", "transport", "nothing: hosts are reached by ssh"),
    "ANSIBLE_SSH_ARGS": ("ssh_connection", "ssh_args", SSH_ARGUMENTS),
    "ANSIBLE_SSH_COMMON_ARGS": ("ssh_connection", "ssh_common_args", SSH_ARGUMENTS),
    "ANSIBLE_SSH_EXTRA_ARGS": ("ssh_connection", "ssh_extra_args", SSH_ARGUMENTS),
    "ANSIBLE_SFTP_EXTRA_ARGS": ("ssh_connection", "sftp_extra_args", SSH_ARGUMENTS),
    "ANSIBLE_SCP_EXTRA_ARGS": ("ssh_connection", "scp_extra_args", SSH_ARGUMENTS),
    "ANSIBLE_SSH_EXECUTABLE": ("ssh_connection", "ssh_executable", "nothing: ssh is found by PATH"),
    "ANSIBLE_PRIVATE_KEY": ("ssh_connection", "private_key", "ansible_ssh_private_key_file"),
}
"""Settings of Ansible's that say how hosts are reached: as environment, in its configuration, and what says so in the inventory."""
_USUAL = "-C -o ControlMaster=auto -o ControlPersist=60s"
"""Ansible's own, which ours take the place of."""


def provision(playbook: Path, settings: Path, inventory: Path, known_hosts: Path, words: Sequence[str]) -> bool:
    """Run `playbook` with `words`, by the Ansible configuration `settings` unless the environment names another; whether it went well.

    Raises InputError, with nothing done.
    """
    beside = Path(sys.executable).with_name("ansible-playbook")
    program = str(beside) if beside.exists() else shutil.which("ansible-playbook")
    if program is None:
        raise InputError("ansible-playbook is not installed", hint="install ansible-core in this environment")
    if not playbook.exists():
        raise InputError("no such playbook", file=playbook, hint="run fab where piswarm's own files are")
    environment = {"ANSIBLE_CONFIG": str(settings), **os.environ}
    check_settings(environment)
    _check_variables(playbook, inventory)
    with reaching(known_hosts) as reached:
        command = [program, "--inventory", str(inventory), str(playbook), *words]
        return subprocess.run(command, env=environment | reached, check=False).returncode == 0  # noqa: S603  # the operator's own words


@contextmanager
def reaching(known_hosts: Path) -> Iterator[dict[str, str]]:
    """Environment with which Ansible trusts the same keys as fab, and no others, at a host and at each jump on the way to it."""
    strict = {"UserKnownHostsFile": str(known_hosts.resolve()), **STRICT}
    with tempfile.TemporaryDirectory(prefix="piswarm-") as directory:
        config = Path(directory) / "ssh_config"
        config.write_text(client_config(strict), encoding="utf-8")
        # First, since ssh honours the first value of an option; by -F besides, which alone the ssh of a jump is given too.
        words = ["-F", str(config)]
        for option, value in strict.items():
            words += ["-o", f"{option}={quoted(value)}"]
        yield {
            "ANSIBLE_HOST_KEY_CHECKING": "True",
            "ANSIBLE_SSH_ARGS": f"{shlex.join(words)} {_USUAL}",
            # Of its own: a connection that something else has left open was checked by that.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(Path(directory) / "cp"),
        }


def check_settings(environment: Mapping[str, str]) -> None:
    """Raise InputError where settings of Ansible's, and not the inventory, say how hosts are reached: the others do not read them."""
    for name, (_, _, instead) in _SETTINGS.items():
        if environment.get(name):
            raise InputError(f"{name} counts for Ansible alone", hint=f"unset it; in the inventory: {instead}")
    file = Path(environment["ANSIBLE_CONFIG"])
    file = file / "ansible.cfg" if file.is_dir() else file
    parser = configparser.ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't be read: {' '.join(str(error).split())}", file=file) from None
    for section, option, instead in _SETTINGS.values():
        if parser.get(section, option, fallback=""):
            raise InputError(
                f"{option} counts for Ansible alone", file=file, hint=f"leave it out; in the inventory: {instead}"
            )


def _check_variables(playbook: Path, inventory: Path) -> None:
    """Raise InputError for files of variables beside the playbook, which Ansible reads as well as those beside the inventory."""
    own = inventory if inventory.is_dir() else inventory.parent
    for name in ("group_vars", "host_vars"):
        found = playbook.parent / name
        if found.exists() and own.resolve() != playbook.parent.resolve():
            raise InputError("counts for Ansible alone", file=found, hint=f"put it beside the inventory: {own / name}")
