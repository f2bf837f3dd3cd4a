"""Hosts that are reached by real SSH on loopback, each an sshd with its own host key, port and directory."""

from __future__ import annotations

import getpass
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from free_ports import free_ports
from wheels import make_wheel

from master.deploy.enroll import fetch_host_keys, trust_shown_keys
from master.deploy.host.steps import HealthCheck
from master.deploy.rollout.batches import Budget
from master.deploy.rollout.deployment import Deployment, DeploymentOptions
from master.deploy.rollout.host_pool import HostPool, PoolLimits, ProgressListener, Work
from master.deploy.rollout.results import HostResult, RolloutReport
from master.deploy.ssh.route import Routes
from master.inventory.inventory import read_inventory
from master.release.builder import Release, build
from master.release.platforms import ARCHITECTURES, PYTHONS, Platform
from master.trust.changes import read_trust
from master.trust.known_hosts import read_known_hosts
from master.trust.state import StateDirectory

ROOT = Path(__file__).parents[3]
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
PYTHON = Path(getattr(sys, "_base_executable", sys.executable))
PATH = f"{PYTHON.parent}:/usr/local/bin:/usr/bin:/bin"
HERE = (os.uname().machine, f"{sys.version_info.major}.{sys.version_info.minor}")
WAIT_S = 30.0
Something = TypeVar("Something")
NODE = """
import signal, sys, time
print("up:", {version!r}, flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
{body}
while True:
    time.sleep(60)
"""
KEYS = """
import os, pathlib, secrets, sys
directory = pathlib.Path(sys.argv[1]) if __name__ == "__main__" else None
if directory is not None:
    directory.mkdir(mode=0o700, exist_ok=True)
    public = directory / "node.public"
    if not public.exists():
        public.write_text(secrets.token_hex(20) + "\\n")
    print(public.read_text().strip())
"""


def wait_for(condition: Callable[[], Something], what: str, wait_s: float = WAIT_S) -> Something:
    """Return what `condition` gives, once that is true."""
    until = time.monotonic() + wait_s
    while not (found := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {wait_s} s: {what}")
        time.sleep(0.002)
    return found


@dataclass
class SshHost:
    """One host, whose `root` is its directory for releases, with a service manager that needs no root."""

    name: str
    directory: Path
    authorized: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def etc(self) -> Path:
        return self.directory / "etc"

    def prepare(self) -> None:
        """Prepare the host as the playbook does."""
        self.root.mkdir(parents=True)
        self.etc.mkdir(mode=0o700)
        program = self.root / "service-program"
        source = (Path(__file__).parent / "service_program.py").read_text()
        program.write_text("#!/usr/bin/env -S python3 -IS\n" + source)  # it is asked often: nothing but the library
        program.chmod(0o755)

    def new_key(self) -> None:
        key = self.directory / "host_key"
        key.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)

    def start(self) -> None:
        """Start the host's sshd, on the port that it had before, or on a free one."""
        assert SSHD is not None
        if not (self.directory / "host_key").exists():
            self.new_key()
        self.port = self.port or free_ports()
        config = self.directory / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.directory}/host_key\nPidFile {self.directory}/pid\n"
            f"AuthorizedKeysFile {self.authorized}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nMaxStartups 200\nUseDNS no\nLogLevel ERROR\n"
            # Not what this machine's user has made of their shell, which may take long.
            f"SetEnv HOME={self.directory} PATH={PATH}\n"
        )
        with (self.directory / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
        wait_for(self._answers, f"sshd of {self.name}: {(self.directory / 'sshd.log').read_text()}")

    def _answers(self) -> bool:
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Stop the host's sshd and cut its connections, as when it is switched off."""
        if self.process is not None:
            self.cut()
            self.process.kill()
            self.process.wait()
            self.process = None

    def family(self, name: str = "") -> list[psutil.Process]:
        """Return the processes of that name which the host's sshd has started."""
        assert self.process is not None
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if name in ("", process.name()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def cut(self) -> None:
        """Cut the host's connections."""
        for process in self.family("sshd") + self.family("sshd-session"):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue

    def service(self, *words: str) -> str:
        command = [str(self.root / "service-program"), *words]
        done = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=True)
        return done.stdout

    def link(self, name: str = "current") -> str:
        try:
            return (self.root / name).readlink().name
        except FileNotFoundError:
            return ""

    def releases(self) -> list[str]:
        return sorted(path.name for path in (self.root / "releases").glob("*"))

    def runs(self) -> str:
        """Return the version that the host's agent printed at its start, if the agent is active."""
        if "ActiveState=active" not in self.service("show"):
            return ""
        said = [line for line in self.service("logs", "50").splitlines() if line.startswith("up: ")]
        return said[-1].removeprefix("up: ") if said else ""

    def check_integrity(self) -> None:
        """Assert that the release in use, if any, is whole."""
        if self.link():
            release = self.root / "releases" / self.link()
            assert (release / ".complete").exists()
            command = [sys.executable, "-I", str(release / ".release/verify.py"), "--compiled"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            # A Python that adds its machine's certificates to certifi's at each start does it here too.
            wrong = [line for line in done.stderr.splitlines() if not line.startswith("certifi/cacert.pem: ")]
            assert not wrong, done.stderr


@dataclass
class Rack:
    """Hosts, a controller's directory, and releases of a small agent for them."""

    directory: Path
    hosts: list[SshHost] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    pad_bytes: int = 0

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yml"

    @property
    def state(self) -> StateDirectory:
        return StateDirectory(self.directory / "state")

    @property
    def key(self) -> Path:
        return self.directory / "operator"

    @property
    def cache(self) -> Path:
        """Return where releases are kept, beside the directories of all tests: what one has built, the next one finds."""
        return self.directory.parent / "cache-of-releases"

    def add(self, number: int) -> None:
        """Add so many hosts, started and prepared."""
        if not self.key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        for _ in range(number):
            name = f"pi{len(self.hosts) + 1:03}"
            host = SshHost(name, self.directory / name, self.key.with_suffix(".pub"))
            host.directory.mkdir()
            host.prepare()
            self.hosts.append(host)
            host.start()
        self.write_inventory()

    def write_inventory(self, **others: object) -> None:
        """Write an inventory of all hosts, with `others` as their variables."""
        hosts = {
            host.name: {
                "ansible_port": host.port,
                "piswarm_root": str(host.root),
                "piswarm_etc": str(host.etc),
                "piswarm_service": str(host.root / "service-program"),
            }
            for host in self.hosts
        }
        common = {
            "ansible_host": "127.0.0.1",
            "piswarm_controller": "127.0.0.1",
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.key),
        } | others
        common = {name: value for name, value in common.items() if value is not None}
        content = {"all": {"children": {"workers": {"hosts": hosts, "vars": common}}}}
        self.inventory.write_text(json.dumps(content))

    def enroll(self) -> None:
        hosts = read_inventory(self.inventory).hosts("workers")
        before, routes = read_trust(self.state), Routes()
        met = fetch_host_keys([routes.route_to(host) for host in hosts], before.known, routes, connect_s=10)
        assert not [one.problem for one in met if one.problem]
        trust_shown_keys(met, self.state, before.revoked)

    def package(self, version: str, body: str = "") -> Path:
        """Write the sources of the agent's `version`, which runs `body` at its start."""
        package = self.directory / "packages" / version / "worker"
        if not package.exists():
            (package / "agent").mkdir(parents=True)
            (package / "__init__.py").write_text(f"__version__ = {version!r}\n")
            (package / "agent" / "__init__.py").touch()
            (package / "agent" / "keys.py").write_text(KEYS)
            node = NODE.format(version=version, body=body)
            (package / "agent" / "service.py").write_text(
                "if __name__ == '__main__':\n" + textwrap.indent(node, "    ")
            )
            if self.pad_bytes:
                (package / "padding.bin").write_bytes(random.Random(version).randbytes(self.pad_bytes))
        return package

    def build(self, version: str, platform: Platform, body: str = "", bases: Sequence[str] = ()) -> Release:
        lock = self.directory / "node.lock"
        if not lock.exists():
            lock.write_text(make_wheel(self.directory / "index", "pure", {"pure/__init__.py": "x = 1\n"}))
        return build(platform, lock, self.cache, package=self.package(version, body), bases=bases)

    def deploy(
        self, version: str, body: str = "", *, limit: str | None = None, host_s: float = 120, **options: object
    ) -> RolloutReport:
        """Deploy as `fab deploy-workers` does."""
        hosts = read_inventory(self.inventory).hosts("workers", limit=limit)
        chosen = {"budget": Budget(0, is_share=False), "health_check": HealthCheck(0.4, 15)} | options
        deployment = Deployment(
            self.fleet(host_s),
            hosts,
            lambda platform, bases: self.build(version, platform, body, bases),
            state=self.state,
            options=DeploymentOptions(**chosen),  # type: ignore[arg-type]
        )
        return deployment.run()

    def each(self, work: Work, *, limit: str | None = None) -> list[HostResult]:
        hosts = read_inventory(self.inventory).hosts("workers", limit=limit)
        return self.fleet().each("testing", hosts, work)

    def fleet(self, host_s: float = 120) -> HostPool:
        return HostPool(
            read_known_hosts(self.state.known_hosts), PoolLimits(connect_s=5, host_s=host_s), ProgressListener()
        )

    def close(self) -> None:
        for host in self.hosts:
            if (host.root / "service-program").exists():
                host.service("stop")
            host.stop()


def rack_in(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Rack:
    """An empty rack, with a package index of its own."""
    if SSHD is None:
        pytest.skip("needs sshd (Debian: openssh-server)")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    if HERE[0] not in ARCHITECTURES or HERE[1] not in PYTHONS:
        pytest.skip(f"no release is made for {HERE[0]} with Python {HERE[1]}")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory / "index"))
    return Rack(directory)
