"""The hosts that are deployed to: those of a lab on this machine, prepared, and two releases that differ in one file."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from children import BenchError, Children, blame
from commands import Operator
from hosts import BRIDGE, GROUP, LabHost, hierarchies
from labs import Lab
from rootfs import CanNotError

COSTS = Path(__file__).with_name("costs.py")
LIMIT_S = 1800
KINDS = {"3.11": "bookworm-amd64", "3.13": "trixie-amd64"}
"""Kinds of hosts, by their Python."""
_CHANGED = "\n# one file of the release is another\n"
_AT_ONCE = 8
_LEVEL = 6  # of gzip, as for our own archive
# The node's keys and settings stay, which a playbook would not make. What goes is put aside: ext4 passes by the inodes of files that
# were deleted within the last seconds, one after the other, which no first deployment meets.
_RESET = """
systemctl stop piswarm-agent.service
aside=$(mktemp -d /opt/aside.XXXXXX)
cd /opt/piswarm
for each in releases/* releases/.[!.]* current previous started healthy lock guard release.tar.gz; do
    if [ -e "$each" ] || [ -L "$each" ]; then mv "$each" "$aside"; fi
done
sync -f .
"""


@dataclass(frozen=True)
class Order:
    """A command, and what it is to run in."""

    words: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]


def ansible_playbook() -> str | None:
    """The program, that of this Python's environment first; None where there is none."""
    beside = Path(sys.executable).with_name("ansible-playbook")
    return str(beside) if beside.exists() else shutil.which("ansible-playbook")


class SkipError(Exception):
    """This machine has no hosts to deploy to; the text says why."""


@dataclass(frozen=True)
class Release:
    """One of the two, and the playbook's archive of it."""

    name: str
    archive: Path
    is_changed: bool


class Testbed:
    """Hosts of a lab, with whom deploys to them. Its files are below `directory`."""

    def __init__(self, lab: Lab, directory: Path, children: Children) -> None:
        self.directory = directory
        self.log = directory / "log"
        """What the last command complained of."""
        self._children = children
        self.lab = lab
        self.operator = Operator(lab, directory / "copy")

    def prepare(self) -> tuple[Release, Release]:
        """Enroll the hosts, provision them, make both releases, and deploy once, which gives each node its keys and settings."""
        try:
            self.operator.done("enroll", "--yes")
            self._provision()
            plain = self._release(is_changed=False)
            self.operator.done("deploy-workers", "--canaries", "0", "--batch", "500")
            return plain, self._release(is_changed=True)
        except AssertionError as error:
            raise BenchError(f"the hosts can't be prepared: {error}") from None

    def _provision(self) -> None:
        """By the parts of the playbook that a deployment needs; all of it would take twice as long."""
        ansible = self.operator.directory / "ansible"
        order = self.ansible(ansible / "ansible.cfg", str(ansible / "provision.yml"), "--tags", "base,worker")
        _, said = self.run(order)
        if not re.search(r"unreachable=0 +failed=0", said) or re.search(r"(unreachable|failed)=[1-9]", said):
            raise BenchError(blame(f"the hosts can't be prepared: {said[-2000:]}", self.log))

    def ansible(self, settings: Path, *words: str) -> Order:
        """`ansible-playbook` with these settings, for the lab's hosts, whose keys it checks as `fab` does."""
        program = ansible_playbook()
        assert program is not None
        known = self.operator.state / "known_hosts"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_SSH_EXTRA_ARGS": f"-o UserKnownHostsFile={known} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes",
            # Short: the path of a socket has 107 letters at most.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.directory / "cp"),
            "NO_COLOR": "1",
        }
        return Order((program, "--inventory", str(self.lab.inventory), *words), self.directory, environment)

    def run(self, order: Order) -> tuple[dict[str, float], str]:
        """What a command took, and what it said. It is ended, with all that it has started, when this process is."""
        result = self.directory / "costs.json"
        result.unlink(missing_ok=True)
        process = self._children.start(
            [sys.executable, str(COSTS), str(result), *order.words],
            None,
            log=self.log,
            directory=order.directory,
            environment=order.environment,
        )
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise BenchError(f"no end after {LIMIT_S} s: {order.words[0]}") from None
        finally:
            self._children.end(process)
        if not result.exists():
            raise BenchError(blame("it was not measured", self.log))
        return json.loads(result.read_text()), said

    def choose(self, release: Release) -> None:
        """Let `fab` deploy that one."""
        self.operator.restore("__init__.py")
        if release.is_changed:
            self.operator.change("__init__.py", _CHANGED)

    def _release(self, *, is_changed: bool) -> Release:
        release = Release("", Path(), is_changed)
        self.choose(release)
        first = self.lab.hosts[0].name
        name = self.operator.report("deploy-workers", "--dry-run", "--limit", first)["hosts"][first]["after"]
        archive = self.directory / f"{name}.tar.gz"
        _repack(self._ours(name), archive, name)
        return Release(name, archive, is_changed)

    def _ours(self, name: str) -> Path:
        for record in (self.operator.state / "cache/releases").glob("*/release.json"):
            if json.loads(record.read_text())["digest"].startswith(name):
                return record.with_name("release.tar.gz")
        raise BenchError(f"the cache has no release {name}")

    def reset(self, names: Sequence[str]) -> None:
        """Take from these hosts all that a release is, and stop their agents."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda host: host.root(_RESET), self._hosts(names)))

    def lacking(self, names: Sequence[str], release: Release) -> list[str]:
        """Those of the hosts that have not switched to `release`, as their disks say."""
        return [host.name for host in self._hosts(names) if _switched(host) != release.name]

    def cpu_s(self, names: Sequence[str]) -> float:
        """What these hosts have used since they are up, as their cgroups say."""
        return sum(_used_s(name) for name in names)

    def _hosts(self, names: Sequence[str]) -> list[LabHost]:
        return [host for host in self.lab.hosts if host.name in names]


def _used_s(name: str) -> float:
    for hierarchy in hierarchies():
        try:
            said = (hierarchy / GROUP / name / "cpu.stat").read_text()
        except OSError:
            continue
        found = dict(line.split() for line in said.splitlines())
        if "usage_usec" in found:
            return int(found["usage_usec"]) / 1e6
    raise BenchError(f"no cgroup says what {name} uses")


def _switched(host: LabHost) -> str:
    """The release that it runs, or will with the next start; empty for none that is whole."""
    root = host.directory / "upper/opt/piswarm"
    try:
        name = (root / "current").readlink().name
    except OSError:
        return ""
    return name if (root / "releases" / name / ".complete").exists() else ""


def _repack(ours: Path, archive: Path, name: str) -> None:
    """Our archive as the playbook takes it: below the release's name, and with the mark that the unit looks for, at its end."""
    with tarfile.open(ours) as source, tarfile.open(archive, "w:gz", compresslevel=_LEVEL) as target:
        for entry in source:
            entry.name = f"{name}/{entry.name}"
            target.addfile(entry, source.extractfile(entry))
        target.addfile(tarfile.TarInfo(f"{name}/.complete"), io.BytesIO())


def wire_bytes() -> tuple[int, int]:
    """What has gone to the hosts and has come from them, since the lab is up."""
    counts = Path(f"/sys/class/net/{BRIDGE}/statistics")
    return int((counts / "tx_bytes").read_text()), int((counts / "rx_bytes").read_text())


@contextmanager
def lab_of(count: int, kind: str) -> Iterator[Lab]:
    """A lab with so many hosts of that kind; when the block ends, however it ends, it is gone. Raises SkipError."""
    lab = Lab()
    try:
        lab.up([kind] * count)
        yield lab
    except CanNotError as error:
        raise SkipError(str(error)) from None
    finally:
        if lab.is_ours:
            _down(lab)


def _down(lab: Lab) -> None:
    """End it. Half of a lab is worse than an interruption that waits for a moment."""
    usual = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        lab.down()
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
