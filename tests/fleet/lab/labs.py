"""Hosts on a bridge that goes nowhere, with what an operator needs to reach them: a key, known_hosts, an inventory. Needs root."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hosts import BRIDGE, GROUP, HERE, NETWORK, LabHost, do, hierarchies, removed, wait_for
from rootfs import CanNotError, cache, rootfs

_WATCHES = Path("/proc/sys/fs/inotify/max_user_instances")
_WATCHES_OF_A_HOST = 16
"""At most, of inotify instances, which all hosts have from the same user; Debian gives him 128, which 25 hosts use up."""


def skip_reason() -> str:
    """Return why this machine can't have a lab, empty when it can."""
    missing = [
        name for name in ("systemd-nspawn", "ip", "tc", "unshare", "ssh", "ssh-keygen") if shutil.which(name) is None
    ]
    if os.getuid() != 0:
        return "needs root"
    if missing:
        return f"needs {', '.join(missing)} (Debian: systemd-container, iproute2, openssh-client)"
    if not any(os.access(group, os.W_OK) for group in hierarchies()):
        return "needs cgroups that can be written to"
    return ""


@dataclass
class Lab:
    """Some hosts; a machine has one lab at a time."""

    hosts: list[LabHost] = field(default_factory=list)
    directory: Path = field(default_factory=lambda: cache() / "lab")
    _lock: IO[str] | None = None

    @property
    def key(self) -> Path:
        """The key of the operator, who is `pi` on every host."""
        return self.directory / "key"

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file with the keys that the hosts were made with."""
        return self.directory / "known_hosts"

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yml"

    @property
    def _usual(self) -> Path:
        """The file that keeps the limit of inotify watches that this machine had before the lab."""
        return self.directory / "watches"

    @property
    def is_ours(self) -> bool:
        """Whether this process has the lab."""
        return self._lock is not None

    def up(self, kinds: Sequence[str]) -> None:
        """Start a host of each of `kinds`, and wait until all can be reached. What another lab has left is cleared away.

        Raises CanNotError, also while another process has a lab; what has been started by then is ended.
        """
        reason = skip_reason()
        if reason:
            raise CanNotError(reason)
        self._take()
        try:
            self._clear()
            for kind in kinds:
                rootfs(kind)
            self._start(kinds)
        except BaseException:
            self.down()
            raise

    def _start(self, kinds: Sequence[str]) -> None:
        if do("ip", "link", "show", BRIDGE, check=False).returncode == 0:
            raise CanNotError("another lab, with another cache, is up on this machine")
        self.directory.mkdir(mode=0o700, parents=True)
        with suppress(OSError):  # where they are not ours to give, a few hosts will do with what there is
            usual = int(_WATCHES.read_text(encoding="utf-8"))
            self._usual.write_text(str(usual))
            _WATCHES.write_text(str(max(usual, 128 + _WATCHES_OF_A_HOST * len(kinds))), encoding="utf-8")
        do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        do("ip", "link", "add", BRIDGE, "type", "bridge")
        do("ip", "addr", "add", f"{HERE}/24", "dev", BRIDGE)
        do("ip", "link", "set", BRIDGE, "up")
        for number, kind in enumerate(kinds, 1):
            host = LabHost(f"pi{number:03}", f"{NETWORK}.{10 + number}", kind, self.directory)
            host.make(self.key)
            self.hosts.append(host)
            host.power_on()
        self.known_hosts.write_text("".join(f"{host.address} {host.public_key}\n" for host in self.hosts))
        self.write_inventory()
        for host in self.hosts:
            wait_for(host.answers, f"sshd of {host.name}; see {host.directory / 'log'}")

    def down(self) -> None:
        """End all hosts, also of a lab whose process is gone, and leave nothing of the lab. Raises CanNotError while
        another has one.
        """
        self._take()
        assert self._lock is not None
        try:
            self._clear()
        finally:
            self._lock.close()
            self._lock = None

    def _clear(self) -> None:
        kept = {host.name: host for host in self.hosts}
        for directory in sorted((self.directory / "hosts").glob("*")):
            host = kept.get(directory.name) or LabHost(directory.name, "", "", self.directory)
            host.power_off()
            host.forget()
        if self.directory.exists():
            do("ip", "link", "del", BRIDGE, check=False)
        for hierarchy in hierarchies():
            removed(hierarchy / GROUP)
        with suppress(OSError):
            _WATCHES.write_text(self._usual.read_text(), encoding="utf-8")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.hosts = []

    def write_inventory(self, each: dict[str, dict[str, object]] | None = None, **others: object) -> None:
        """Write an inventory of all hosts as workers, with `others` for all of them and `each` for one."""
        hosts = {host.name: {"ansible_host": host.address} | (each or {}).get(host.name, {}) for host in self.hosts}
        common = {
            "ansible_user": "pi",
            "ansible_ssh_private_key_file": str(self.key),
            "piswarm_controller": HERE,
            "clock_servers": [HERE],
        } | others
        self.inventory.write_text(
            json.dumps({"all": {"children": {"workers": {"hosts": hosts, "vars": common}}}}, indent=1)
        )

    def _take(self) -> None:
        """Take the lab's lock."""
        if self._lock is not None:
            return
        cache().mkdir(parents=True, exist_ok=True)
        lock = (cache() / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise CanNotError("another lab is up on this machine") from None
        self._lock = lock
