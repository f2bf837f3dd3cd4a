"""Which machine is reached, through which jump hosts and by which keys, by fab as by Ansible, over real SSH."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ssh_hosts import Rack, SshHost, rack_in

from master.deploy.enroll import fetch_host_keys, jump_routes, trust_shown_keys
from master.deploy.failures import Cause
from master.deploy.host.session import HostSession
from master.deploy.provision import reaching
from master.deploy.rollout.host_pool import HostPool, HostTask, PoolLimits, ProgressListener
from master.deploy.rollout.results import HostResult, Outcome
from master.deploy.ssh.route import Routes
from master.inventory.inventory import read_inventory
from master.trust.changes import read_trust, trust_host_keys
from master.trust.known_hosts import known_hosts_name, read_known_hosts

ROOT = Path(__file__).parents[3]
ME = getpass.getuser()
WHERE = 'echo "$SSH_CONNECTION" by $(id -un)'


class Net:
    """Two nodes and a jump host, an operator's home directory, and inventories that name them in many ways."""

    def __init__(self, rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rack = rack
        rack.add(3)
        self.node, self.other, self.bastion = rack.hosts
        self.home = rack.directory / "home"
        (self.home / ".ssh").mkdir(parents=True)
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
            monkeypatch.delenv(name)

    def config(self, text: str) -> None:
        """Write ~/.ssh/config, where NODE, OTHER and BASTION are ports and KEY is the operator's."""
        for word, value in (
            ("NODE", self.node.port),
            ("OTHER", self.other.port),
            ("BASTION", self.bastion.port),
            ("KEY", self.rack.key),
        ):
            text = text.replace(word, str(value))
        (self.home / ".ssh" / "config").write_text(text)

    def inventory(self, **hosts: Mapping[str, Any]) -> Path:
        file = self.rack.directory / "reach.json"
        common = {"piswarm_controller": "127.0.0.1", "ansible_python_interpreter": sys.executable}
        file.write_text(json.dumps({"workers": {"hosts": hosts, "vars": common}}))
        return file

    def enroll(self, file: Path) -> None:
        """Enroll hosts as `fab enroll --yes` does."""
        hosts = read_inventory(file).hosts("workers")
        before, routes = read_trust(self.rack.state), Routes()
        for ways in jump_routes(hosts, routes):
            trust_shown_keys(
                fetch_host_keys(ways, read_trust(self.rack.state).known, routes, connect_s=10),
                self.rack.state,
                before.revoked,
            )
        met = fetch_host_keys(
            [routes.route_to(host) for host in hosts], read_trust(self.rack.state).known, routes, connect_s=10
        )
        assert not [one.problem for one in met if one.problem], met
        trust_shown_keys(met, self.rack.state, before.revoked)

    def by_fab(self, file: Path) -> dict[str, str]:
        """Return where each host is, as the host itself sees it, or why it was not reached."""
        found: dict[str, str] = {}

        def ask(session: HostSession, task: HostTask) -> HostResult:
            said = session._connection.run(WHERE, timeout_s=10).stdout  # no session has a command of the test's
            found[session.host.name] = said
            return HostResult(host=task.host.name, outcome=Outcome.UNCHANGED)

        fleet = HostPool(read_known_hosts(self.rack.state.known_hosts), PoolLimits(connect_s=10), ProgressListener())
        results = fleet.each("asking", read_inventory(file).hosts("workers"), ask)
        return {result.host: server(found[result.host]) if result.ok else f"{result.cause}" for result in results}

    def by_ansible(self, file: Path) -> dict[str, str]:
        """Return where each host is, reached by Ansible with the environment that `fab provision` gives it."""
        with reaching(self.rack.state.known_hosts) as environment:
            done = subprocess.run(
                [sys.executable, "-m", "ansible", "adhoc", "workers", "-i", str(file), "-m", "raw", "-a", WHERE],
                cwd=ROOT,
                env={**os.environ, "ANSIBLE_CONFIG": "ansible/ansible.cfg", "ANSIBLE_NOCOLOR": "1", **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        found = {}
        lines = done.stdout.splitlines()
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            name, _, said = line.partition(" | ")
            if said.startswith("CHANGED"):
                found[name] = server(following)
            elif said.startswith(("UNREACHABLE", "FAILED")):
                found[name] = "unreachable"
        assert found, done.stdout + done.stderr
        return found


def server(said: str) -> str:
    """Return the port and the user of what WHERE prints."""
    words = said.split()
    return f"{words[3]} by {words[-1]}"


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    rack = rack_in(tmp_path, monkeypatch)
    try:
        yield Net(rack, monkeypatch)
    finally:
        rack.close()


CONFIG = f"""
Host alias
  HostName 127.0.0.1
  Port NODE
Host inner
  HostName 127.0.0.1
  Port NODE
  ProxyJump bastion
Host bastion
  HostName 127.0.0.1
  Port BASTION
Host named
  HostKeyAlias the-node
Match host included,another
  Include more/*.conf
Match all
  IdentityFile KEY
  User {ME}
"""


def test_fab_and_ansible_reach_the_same_machines(net: Net) -> None:
    """fab and Ansible reach the same machines by ~/.ssh/config and by old and new variables, of which the nearer wins."""
    net.config(CONFIG)
    more = net.home / ".ssh" / "more"
    more.mkdir()
    (more / "one.conf").write_text(f"HostName 127.0.0.1\nPort {net.other.port}\n")
    (net.home / ".ssh" / "config").write_text(
        (net.home / ".ssh" / "config").read_text().replace("more/*.conf", f"{more}/*.conf")
    )
    node, other = net.node.port, net.other.port
    hosts: dict[str, tuple[dict[str, Any], int]] = {
        "alias": ({}, node),
        "inner": ({}, node),
        "included": ({}, other),
        "a1": ({"ansible_host": "alias", "ansible_port": other}, other),
        "a2": ({"ansible_ssh_host": "127.0.0.1", "ansible_ssh_port": node, "ansible_ssh_user": ME}, node),
        "a3": (
            {"ansible_host": "192.0.2.1", "ansible_ssh_host": "alias", "ansible_ssh_port": node, "ansible_port": 1},
            node,
        ),
        "a4": (
            {"ansible_host": "127.0.0.1", "ansible_ssh_common_args": f"-o Port={other} -o ProxyJump=bastion"},
            other,
        ),
        "a5": (
            {"ansible_host": "127.0.0.1", "ansible_port": node, "ansible_ssh_common_args": f"-p {other} -J bastion"},
            node,
        ),
        "a6": (
            {"ansible_host": "127.0.0.1", "ansible_port": f"{other}", "ansible_private_key_file": str(net.rack.key)},
            other,
        ),
        "named": ({"ansible_host": "named", "ansible_ssh_common_args": f"-o HostName=127.0.0.1 -o Port={node}"}, node),
    }
    file = net.inventory(**{name: variables for name, (variables, _) in hosts.items()})
    # One machine has many names here, which would be copied SD cards: each is enrolled alone.
    for name in hosts:
        net.enroll(net.inventory(**{name: hosts[name][0]}))
    file = net.inventory(**{name: variables for name, (variables, _) in hosts.items()})
    expected = {name: f"{port} by {ME}" for name, (_, port) in hosts.items()}
    assert net.by_fab(file) == expected
    assert net.by_ansible(file) == expected
    assert read_trust(net.rack.state).known.at("the-node") is not None


def test_a_proxy_command_is_run(net: Net) -> None:
    """A proxy command is run with its tokens filled in, and the host's own key is checked behind it."""
    net.config(
        f"Host commanded\n  HostName 127.0.0.1\n  Port NODE\n  ProxyCommand {sys.executable} {Path(__file__).parent}/pipe_to.py %h %p\nHost *\n  IdentityFile KEY\n  User {ME}\n"
    )
    file = net.inventory(commanded={})
    net.enroll(file)
    assert net.by_fab(file) == net.by_ansible(file) == {"commanded": f"{net.node.port} by {ME}"}
    net.node.stop()
    net.node.new_key()
    net.node.start()
    assert net.by_fab(file) == {"commanded": "host key"}
    assert net.by_ansible(file) == {"commanded": "unreachable"}


def test_the_key_of_every_hop_is_checked(net: Net) -> None:
    """A jump host with no enrolled key, or with another, is not logged in at, whatever ~/.ssh/config says of checking."""
    net.config(CONFIG + "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n")
    file = net.inventory(inner={})
    net.enroll(file)
    known = read_trust(net.rack.state).known
    jump = known_hosts_name("127.0.0.1", net.bastion.port)
    assert net.by_fab(file) == net.by_ansible(file) == {"inner": f"{net.node.port} by {ME}"}
    known.changed({}, [jump]).write()
    assert net.by_fab(file) == {"inner": "host key"}
    assert net.by_ansible(file) == {"inner": "unreachable"}
    key = known.at(known_hosts_name("127.0.0.1", net.node.port))
    assert key is not None
    since = read_trust(net.rack.state).revoked
    assert trust_host_keys(net.rack.state, {jump: ("bastion", key)}, since) == {}
    assert net.by_fab(file) == {"inner": "host key"}
    assert net.by_ansible(file) == {"inner": "unreachable"}


def test_fab_enrolls_jump_hosts_first_and_revokes_them_by_name(net: Net) -> None:
    """fab shows and asks for the keys of jump hosts first, and reaches no host behind one that is not trusted; both can
    be revoked.
    """
    net.config(CONFIG)
    file = net.inventory(inner={})

    def fab(task: str, *words: str) -> subprocess.CompletedProcess[str]:
        where = ["--inventory", str(file), "--state", str(net.rack.state.directory)]
        command = [sys.executable, "-m", "fabric", task, *words, *where]
        return subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )

    asked = fab("enroll")
    assert asked.returncode == 2
    assert ("bastion" in asked.stdout, "inner" in asked.stdout) == (True, False)
    done = fab("enroll", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.index("bastion") < done.stdout.index("inner")
    assert fab("revoke", "bastion").stdout == "bastion: host key removed\n"
    status = fab("status")
    assert status.returncode == 1
    assert "the key of bastion (127.0.0.1) is not known yet" in status.stdout


@pytest.mark.parametrize(
    ("config", "variables", "says"),
    [
        ("Host pi1\n  BindInterface eth0\n", {}, "BindInterface"),
        ("Host pi1\n  NoSuchOption yes\n", {}, "ssh can't read its configuration"),
        ("Host pi1\n  ProxyJump pi1\n", {}, "jumphost loop"),
        ("Host pi1\n  ProxyJump b\nHost b\n  ProxyJump pi1\n", {}, "reached by itself"),
        ("Host a*\n  ProxyJump %r@b\nHost b\n  ProxyJump a\nHost pi1\n  ProxyJump a\n", {}, "jump"),
        ("Host pi1\n  ProxyCommand connect %h %x\n", {}, "%x"),
        ("Host pi1\n  IdentityAgent /run/agent\n", {}, "IdentityAgent"),
        ("", {"ansible_ssh_common_args": "-F /dev/null"}, "ansible_ssh_common_args of pi1"),
        ("", {"ansible_ssh_common_args": "otherhost"}, "ansible_ssh_common_args of pi1"),
        ("", {"ansible_ssh_common_args": "-o ProxyJump='a"}, "ansible_ssh_common_args of pi1"),
        ("", {"ansible_ssh_args": "-C"}, "ansible_ssh_args of pi1"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(net: Net, config: str, variables: dict[str, Any], says: str) -> None:
    """Settings that are not supported are refused by name, with exit status 2, before any host is reached."""
    net.config(config)
    file = net.inventory(pi1=variables)
    for task in ("status", "enroll", "provision"):
        done = subprocess.run(
            [sys.executable, "-m", "fabric", task, "--inventory", str(file), "--state", str(net.rack.state.directory)],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
        assert says in done.stderr


def test_many_hosts_behind_one_jump_host_are_all_reached(net: Net) -> None:
    """Many hosts behind one jump host are all reached, though its sshd allows few log-ins at a time."""
    net.bastion.stop()
    start_with(net.bastion, "MaxStartups 10:100:10")
    net.config(CONFIG + "Host n*\n  ProxyJump bastion\n")
    ports = {f"n{number}": net.node.port for number in range(24)}
    hosts = {
        name: {
            "ansible_host": f"127.0.0.{number}",
            "ansible_port": port,
            "ansible_ssh_common_args": "-J bastion -o HostKeyAlias=node",
        }
        for number, (name, port) in enumerate(ports.items(), 1)
    }
    first = net.inventory(n0=hosts["n0"] | {"ansible_host": "127.0.0.1"})
    net.enroll(first)
    same = {
        name: variables
        | {
            "ansible_host": "127.0.0.1",
            "ansible_ssh_common_args": f"{variables['ansible_ssh_common_args']} -o LogLevel=ERROR -o SetEnv=X={name}",
        }
        for name, variables in hosts.items()
    }
    assert set(net.by_fab(net.inventory(**same)).values()) == {f"{net.node.port} by {ME}"}


def start_with(host: SshHost, option: str) -> None:
    """Start the sshd of `host` with one more option."""
    host.start()
    config = host.directory / "sshd_config"
    config.write_text(config.read_text().replace("MaxStartups 200", option))
    assert host.process is not None
    host.process.terminate()
    host.process.wait()
    from ssh_hosts import SSHD, wait_for  # noqa: PLC0415

    assert SSHD is not None
    with (host.directory / "sshd.log").open("ab") as log:
        host.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
    wait_for(host._answers, "sshd")


def test_the_cause_names_the_hop(net: Net) -> None:
    """A failure names the jump host that is off, and not the host behind it, as its cause."""
    net.config(CONFIG)
    file = net.inventory(inner={})
    net.enroll(file)
    net.bastion.stop()
    fleet = HostPool(read_known_hosts(net.rack.state.known_hosts), PoolLimits(connect_s=10), ProgressListener())

    def never(_: HostSession, task: HostTask) -> HostResult:
        raise AssertionError(task.host.name)

    (result,) = fleet.each("asking", read_inventory(file).hosts("workers"), never)
    assert result.cause is Cause.UNREACHABLE
    assert f"the jump host bastion (127.0.0.1) port {net.bastion.port}: Connection refused" in result.message
