"""File systems for the lab's hosts: a small Debian each, made once by debootstrap and kept in a cache. Needs root.

A host is bare but for what a fresh Pi has too (sshd, sudo, Python, a user `pi` who may become root by sudo), and the packages that
provisioning would install: the hosts of a lab have no network beyond it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

KINDS = ("bookworm-amd64", "trixie-amd64", "bookworm-arm64")
PACKAGES = (
    "ca-certificates", "chrony", "dbus", "iproute2", "openssh-server", "openssh-sftp-server", "nftables", "procps", "python3",
    "sudo", "systemd", "systemd-sysv",
)  # fmt: skip
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_QEMU = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
_SSHD = "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUseDNS no\nMaxStartups 100\n"


class CanNotError(Exception):
    """This machine can't have a lab; the text says what is missing."""


def cache() -> Path:
    """Return where file systems and hosts are kept: PISWARM_LAB_CACHE, or ~/.cache/piswarm-lab."""
    named = os.environ.get("PISWARM_LAB_CACHE")
    return Path(named).resolve() if named else Path.home() / ".cache" / "piswarm-lab"


def is_foreign(kind: str) -> bool:
    """Whether the kind is for another processor than this machine's, and so emulated."""
    return _MACHINES[kind.partition("-")[2]] != os.uname().machine


def rootfs(kind: str) -> Path:
    """Return the file system of that kind, made in some minutes when there is none. Raises CanNotError, CalledProcessError."""
    # What it is made of is in its name: another recipe, another file system.
    recipe = hashlib.sha256(repr((PACKAGES, _SSHD)).encode()).hexdigest()[:8]
    directory = cache() / "roots" / f"{kind}-{recipe}"
    if directory.is_dir():
        return directory
    if shutil.which("debootstrap") is None:
        raise CanNotError("debootstrap is not installed")
    emulate(kind)
    part = directory.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    suite, _, architecture = kind.partition("-")
    with part.with_suffix(".log").open("wb") as log:
        subprocess.run(
            ["debootstrap", f"--arch={architecture}", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, part, mirror()],
            stdout=log, stderr=log, check=True,
        )  # fmt: skip
    finish(part)
    part.rename(directory)
    return directory


def finish(root: Path) -> None:
    """Turn what debootstrap leaves into a host that has been set up, but for its own name and keys."""
    (root / "etc/apt/sources.list").write_text("")
    for leftover in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / leftover)
        (root / leftover / "partial").mkdir(parents=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for own in ("etc/machine-id", "etc/hostname"):
        (root / own).write_text("")
    subprocess.run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "pi"], check=True)
    sudoers = root / "etc/sudoers.d/010_pi-nopasswd"
    sudoers.write_text("pi ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    (root / "etc/ssh/sshd_config.d/lab.conf").write_text(_SSHD)


def mirror() -> str:
    """Return where this machine has its own Debian from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = [line.split()[0] for line in said.splitlines() if line.endswith(" Debian")]
    if not found:
        raise CanNotError("apt has no source of Debian packages")
    return found[0]


def emulate(kind: str) -> None:
    """Make programs of that kind run on this machine."""
    if not is_foreign(kind):
        return
    if not _QEMU.exists():
        raise CanNotError("qemu-user-static is not installed, which a host for another processor needs")
    if not (_BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT], check=True)
    if not (_BINFMT / "qemu-aarch64").exists():
        # With the flag C on top of Debian's own: without it sudo has no rights inside.
        (_BINFMT / "register").write_text(_QEMU.read_text(encoding="utf-8").strip().replace(":OPF", ":OCPF"))
