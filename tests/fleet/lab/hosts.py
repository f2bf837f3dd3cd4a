"""One host that looks like a Raspberry Pi: real systemd, sshd and sudo, with its own file system, address and host key.

It is a systemd-nspawn machine. What runs on it is in cgroups of the lab's, by which it is ended, also by another
process when the one that had started it is gone.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from rootfs import is_foreign, rootfs

BRIDGE = "piswarm0"
NETWORK = "10.79.0"
HERE = f"{NETWORK}.1"
"""This machine's address, to the hosts."""
GROUP = "piswarm-lab"
WAIT_S = 120.0
Something = TypeVar("Something")


def wait_for(condition: Callable[[], Something], what: str, wait_s: float = WAIT_S) -> Something:
    """Return what `condition` gives, once that is true."""
    until_s = time.monotonic() + wait_s
    while not (found := condition()):
        if time.monotonic() > until_s:
            raise AssertionError(f"not within {wait_s} s: {what}")
        time.sleep(0.02)
    return found


def hierarchies() -> list[Path]:
    """Return where cgroups are mounted: that of version 2, and of version 1 systemd's own and those that systemd uses."""
    found = []
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, options, *_ = line.split()
        wanted = {"name=systemd", "cpu", "memory", "pids"} & set(options.split(","))
        if kind == "cgroup2" or (kind == "cgroup" and wanted):
            found.append(Path(where))
    return found


def do(*words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine's."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{words}: {done.stderr}"
    return done


def processes(name: str) -> list[int]:
    """Return all processes of a host, or of all hosts with "."."""
    found = set()
    for hierarchy in hierarchies():
        for file in (hierarchy / GROUP / name).rglob("cgroup.procs"):
            try:
                found |= {int(line) for line in file.read_text().split()}
            except OSError:
                continue
    return sorted(found - {0})


@dataclass
class LabHost:
    """One machine of the lab."""

    name: str
    address: str
    kind: str
    lab: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def directory(self) -> Path:
        return self.lab / "hosts" / self.name

    def make(self, key: Path) -> None:
        """Make the host's disk as a fresh one, with a host key of its own and the operator's key."""
        upper = self.directory / "upper"
        for part in ("work", "root", "upper/etc/ssh"):
            (self.directory / part).mkdir(parents=True)
        do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", upper / "etc/ssh/ssh_host_ed25519_key")
        identity = uuid.uuid4().hex
        (self.directory / "uuid").write_text(identity)
        (upper / "etc/machine-id").write_text(f"{identity}\n")
        (upper / "etc/hostname").write_text(f"{self.name}\n")
        (upper / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        self.authorize_key("pi", 1000, key)
        do("ip", "netns", "add", self._netns)
        do("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self._netns)
        do("ip", "link", "set", self._link, "master", BRIDGE, "up")
        do("ip", "-n", self._netns, "link", "set", "lo", "up")
        do("ip", "-n", self._netns, "addr", "add", f"{self.address}/24", "dev", "eth0")
        do("ip", "-n", self._netns, "link", "set", "eth0", "up")

    def authorize_key(self, user: str, number: int, key: Path) -> None:
        """Give a user the operator's key, while the host is off."""
        home = self.directory / "upper/home" / user
        (home / ".ssh").mkdir(mode=0o700, parents=True)
        home.chmod(0o700)
        shutil.copy(key.with_suffix(".pub"), home / ".ssh/authorized_keys")
        for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, number, number)

    @property
    def _netns(self) -> str:
        return f"{GROUP}-{self.name}"

    @property
    def _link(self) -> str:
        return f"pw-{self.name}"

    def power_on(self) -> None:
        """Start the host without waiting for it."""
        groups = [hierarchy / GROUP / self.name for hierarchy in hierarchies()]
        for group in groups:
            group.mkdir(parents=True, exist_ok=True)
        # Emulated programs have real-time signals that are two further on.
        signal = "SIGRTMIN+5" if is_foreign(self.kind) else "SIGRTMIN+3"
        words = [self.directory, rootfs(self.kind), self.name, self._netns, signal, *groups]
        command = ["unshare", "--mount", "sh", Path(__file__).with_name("host.sh"), *words]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def power_off(self) -> None:
        """Stop the host at once, as if its plug were pulled."""

        def gone() -> bool:
            found = processes(self.name)
            for number in found:
                try:
                    os.kill(number, 9)
                except ProcessLookupError:
                    continue
            return not found

        wait_for(gone, f"the end of {self.name}")
        if self.process is not None:
            self.process.wait()
            self.process = None
        for hierarchy in hierarchies():
            for group in sorted((hierarchy / GROUP / self.name).rglob("**/"), reverse=True):
                wait_for(partial(removed, group), f"the end of {group}", 10)

    def forget(self) -> None:
        """Remove the host's network and its disk, once it is off."""
        do("ip", "netns", "del", self._netns, check=False)
        do("ip", "link", "del", self._link, check=False)
        shutil.rmtree(self.directory)

    def plug(self, *, into: bool) -> None:
        """Put the host's network cable in, or pull it."""
        do("ip", "link", "set", self._link, "up" if into else "down")

    def answers(self) -> bool:
        """Whether the host's sshd is up."""
        with socket.socket() as link:
            link.settimeout(1)
            return link.connect_ex((self.address, 22)) == 0

    def wait_up(self) -> None:
        """Wait until the host can be reached, and its systemd has started what there is to start."""
        wait_for(self.answers, f"sshd of {self.name}; see {self.directory / 'log'}")
        self.root("systemctl is-system-running --wait", check=False)

    def booted(self) -> str:
        """Return a text that differs after each boot of the host; empty while the host can't be asked."""
        return self.root("cut -d' ' -f22 /proc/1/stat", check=False).strip()

    def shape(self, rate: str) -> None:
        """Limit what comes to the host to `rate`, such as 24mbit; an empty rate is no limit."""
        do("tc", "qdisc", "del", "dev", self._link, "root", check=False)
        if rate:
            do("tc", "qdisc", "add", "dev", self._link, "root", "tbf", "rate", rate, "burst", "64kb", "latency", "50ms")

    def root(self, script: str, *, check: bool = True) -> str:
        """Return what a shell script prints on the host, as root."""
        command = ["ssh", "-q", "-i", self.lab / "key", "-o", f"UserKnownHostsFile={self.lab / 'known_hosts'}"]
        command += ["-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10", f"pi@{self.address}", "sudo -n sh -s"]
        words = [str(word) for word in command]
        done = subprocess.run(words, input=script, capture_output=True, text=True, check=False, timeout=WAIT_S)
        assert not check or done.returncode == 0, f"{self.name}: {script}: {done.stdout}{done.stderr}"
        return done.stdout

    @property
    def public_key(self) -> str:
        """Return the key of the host's sshd, as in a line of known_hosts."""
        file = self.directory / "upper/etc/ssh/ssh_host_ed25519_key.pub"
        return " ".join(file.read_text().split()[:2])


def removed(group: Path) -> bool:
    """Whether a cgroup is gone, or is gone by this call."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
