"""How a host is reached: by the machine, port, user, key and jump host that Ansible takes from its variables, or a refusal."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from master.deploy.provision import check_settings, reaching
from master.deploy.ssh.route import Routes
from master.errors import InputError
from master.inventory.host import KNOWN_VARIABLES
from master.inventory.inventory import read_inventory

CONFIG = """
Host pi-of-config rack-b-*
  HostName 192.0.2.99
  Port 2299
  User from-config
  IdentityFile ~/config-key
  ProxyJump ops@jump.example:2201,last-jump
Host last-jump
  HostName 192.0.2.98
  ProxyJump ignored
Match host 192.0.2.77 user matched
  Port 2277
Host *
  AddressFamily inet
"""

HOSTS: dict[str, dict[str, Any]] = {
    "bare": {},
    "pi-of-config": {},
    "rack-b-1": {"ansible_port": 22},
    "rack-b-2": {"ansible_user": "nearer"},
    "a01": {"ansible_host": "192.0.2.1", "ansible_port": 2201, "ansible_user": "u1"},
    "a02": {"ansible_ssh_host": "192.0.2.2", "ansible_ssh_port": 2202, "ansible_ssh_user": "u2"},
    "a03": {"ansible_host": "192.0.2.3", "ansible_ssh_host": "192.0.2.103"},
    "a04": {"ansible_host": "192.0.2.4", "ansible_port": 1, "ansible_ssh_port": 2204},
    "a05": {"ansible_host": "192.0.2.5", "ansible_user": "u5", "ansible_ssh_user": "ssh5"},
    "a06": {"ansible_host": "192.0.2.6", "ansible_private_key_file": "/keys/six"},
    "a07": {"ansible_host": "192.0.2.7", "ansible_ssh_private_key_file": "~/seven", "ansible_private_key_file": "/no"},
    "a08": {"ansible_host": "192.0.2.8", "ansible_ssh_common_args": "-o Port=2208 -o User=u8"},
    "a09": {"ansible_host": "192.0.2.9", "ansible_port": 2209, "ansible_ssh_common_args": "-p 1 -l no"},
    "a10": {"ansible_host": "192.0.2.10", "ansible_ssh_common_args": "-o ProxyJump=ops@192.0.2.254:2222"},
    "a11": {"ansible_host": "192.0.2.11", "ansible_ssh_common_args": "-J last-jump -o HostKeyAlias=other -4"},
    "a12": {"ansible_host": "192.0.2.12", "ansible_ssh_common_args": "-o 'ProxyCommand=nc %h %p'"},
    "a13": {"ansible_host": "2001:db8::15", "ansible_port": 2200},
    "a14": {"ansible_host": "fe80::16%eth0"},
    "a15": {"ansible_host": "192.0.2.15", "ansible_port": "2215"},
    "a16": {"ansible_host": "192.0.2.77", "ansible_user": "matched"},
    "a17": {"ansible_host": "rack-b-3", "ansible_connection": "smart", "ansible_ssh_host_key_checking": True},
    "a18": {"ansible_host": "192.0.2.18", "ansible_become_password": "x", "ansible_become_user": "root"},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(CONFIG)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    return tmp_path


def written(directory: Path, hosts: dict[str, dict[str, Any]]) -> Path:
    file = directory / "fleet.json"
    file.write_text(json.dumps({"workers": {"hosts": hosts}}))
    return file


def by_ansible(file: Path, known: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """What ssh makes of the command that Ansible's own plugin builds for each host, as `fab provision` has it run."""
    from ansible.inventory.manager import InventoryManager  # noqa: PLC0415
    from ansible.parsing.dataloader import DataLoader  # noqa: PLC0415
    from ansible.playbook.play_context import PlayContext  # noqa: PLC0415
    from ansible.plugins.loader import connection_loader  # noqa: PLC0415
    from ansible.vars.manager import VariableManager  # noqa: PLC0415

    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[str(file)])
    variables = VariableManager(loader=loader, inventory=manager)
    found = {}
    with reaching(known) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for host in manager.get_hosts("all"):
            connection = connection_loader.get("ssh", PlayContext())
            connection.set_options(var_options=variables.get_vars(host=host))
            program, *words = [os.fsdecode(word) for word in connection._build_command("ssh", "ssh")]
            command = [program, "-G", *words, connection.get_option("host")]
            done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
            lines = [line.partition(" ") for line in done.stdout.splitlines()]
            found[str(host.name)] = {key: value for key, _, value in reversed(lines)}  # the first of each
    return found


def test_every_host_is_reached_as_ansible_reaches_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine, port, user, key and host key's name are Ansible's, for variables old and new and with ~/.ssh/config."""
    file = written(home, HOSTS)
    routes = Routes()
    hosts = read_inventory(file).hosts("workers")
    ours = {host.name: routes.route_to(host) for host in hosts}
    theirs = by_ansible(file, home / "known_hosts", monkeypatch)
    assert ours.keys() == theirs.keys() == HOSTS.keys()
    for host in hosts:
        name, hop, said = host.name, ours[host.name][-1], theirs[host.name]
        expected = (said["hostname"], said["port"], said["user"], said["addressfamily"])
        assert (hop.address, str(hop.port), hop.user, hop.family) == expected, name
        assert (len(ours[name]) > 1) == ("proxyjump" in said), name
        assert (hop.command is not None) == ("proxycommand" in said), name
        if host.key_file is not None:
            assert str(host.key_file) == os.path.expanduser(said["identityfile"]), name  # noqa: PTH111
        alias = said.get("hostkeyalias", "none")
        assert alias in ("none", hop.known_hosts_name), name
        assert said["stricthostkeychecking"] in ("true", "yes"), name
        assert said["userknownhostsfile"] == str(home / "known_hosts"), name


def test_the_ways_are_these(home: Path) -> None:
    """The ways to some hosts are spelled out, so that more is shown than that piswarm and Ansible agree."""
    routes = Routes()
    hosts = {host.name: host for host in read_inventory(written(home, HOSTS)).hosts("workers")}

    def way(name: str) -> list[tuple[str, int, str | None]]:
        return [(hop.address, hop.port, hop.user) for hop in routes.route_to(hosts[name])]

    me = way("bare")[0][2]
    assert way("bare") == [("bare", 22, me)]
    assert way("pi-of-config") == [
        ("jump.example", 2201, "ops"),
        ("192.0.2.98", 22, me),
        ("192.0.2.99", 2299, "from-config"),
    ]
    assert way("rack-b-1")[-1] == ("192.0.2.99", 22, "from-config")
    assert way("rack-b-2")[-1] == ("192.0.2.99", 2299, "nearer")
    assert way("a03") == [("192.0.2.103", 22, me)]
    assert way("a08") == [("192.0.2.8", 2208, "u8")]
    assert way("a10") == [("192.0.2.254", 2222, "ops"), ("192.0.2.10", 22, me)]
    assert way("a16") == [("192.0.2.77", 2277, "matched")]
    assert routes.route_to(hosts["a11"])[-1].known_hosts_name == "other"
    assert routes.route_to(hosts["a12"])[-1].command == "nc 192.0.2.12 22"
    assert routes.route_to(hosts["a07"])[-1].keys == (home / "seven",)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ansible_password", "x"),
        ("ansible_ssh_pass", "x"),
        ("ansible_ssh_password", "x"),
        ("ansible_private_key", "-----BEGIN"),
        ("ansible_ssh_private_key_passphrase", "x"),
        ("ansible_ssh_pkcs11_provider", "/lib/x.so"),
        ("ansible_ssh_args", "-C"),
        ("ansible_ssh_extra_args", "-o Port=2200"),
        ("ansible_sftp_extra_args", "-o Port=2200"),
        ("ansible_ssh_executable", "/usr/local/bin/ssh"),
        ("ansible_connection", "local"),
        ("ansible_connection", "paramiko"),
        ("ansible_connection", None),
        ("ansible_host_key_checking", False),
        ("ansible_ssh_host_key_checking", "no"),
        ("ansible_become_user", "piswarm"),
        ("ansible_become_method", "su"),
        ("ansible_shell_type", "powershell"),
        ("ansible_ssh_common_args", "-F other"),
        ("ansible_ssh_common_args", "-o"),
        ("ansible_ssh_common_args", "host"),
        ("ansible_ssh_common_args", "-W x:1"),
        ("ansible_ssh_common_args", "-o Port='2"),
        ("ansible_ssh_common_args", ["-o", "Port=2"]),
        ("ansible_ssh_port", 0),
        ("ansible_ssh_host", "-oProxyCommand=x"),
        ("ansible_ssh_user", "a b"),
    ],
)
def test_what_would_be_honoured_by_ansible_alone_is_refused_by_name(
    tmp_path: Path, variable: str, value: object
) -> None:
    """A variable that Ansible would honour and piswarm would not is refused by name, and a password is not repeated."""
    file = written(tmp_path, {"pi1": {variable: value}})
    with pytest.raises(InputError, match=f"{variable} of pi1") as caught:
        read_inventory(file).hosts("workers")
    if "pass" in variable:
        assert "'x'" not in caught.value.message


def test_a_template_is_filled_in_in_every_variable_that_is_honoured(tmp_path: Path) -> None:
    values = {name: "{{ v }}" for name in KNOWN_VARIABLES if name.startswith("ansible_ssh_")}
    values |= {"v": "2022", "ansible_connection": "{{ 'local' }}"}
    with pytest.raises(InputError, match="ansible_connection of pi1"):
        read_inventory(written(tmp_path, {"pi1": values})).hosts("workers")
    values |= {"ansible_connection": "ssh", "ansible_ssh_user": "u{{ v }}", "ansible_ssh_common_args": "-p {{ v }}"}
    (host,) = read_inventory(written(tmp_path, {"pi1": values})).hosts("workers")
    assert (host.address, host.port, host.user) == ("2022", 2022, "u2022")
    assert (host.key_file, host.ssh_args) == (Path("2022"), ("-p", "2022"))


def test_without_ssh_its_configuration_is_refused_and_none_is_needed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("master.deploy.ssh.route.config_files", lambda: (home / ".ssh" / "config",))
    (host,) = read_inventory(written(tmp_path, {"pi1": {}})).hosts("workers")
    with pytest.raises(InputError, match="can't be honoured without ssh"):
        Routes().route_to(host)
    (home / ".ssh" / "config").unlink()
    (hop,) = Routes().route_to(host)
    assert (hop.address, hop.port, hop.user, hop.keys, hop.agent) == ("pi1", 22, None, None, True)


@pytest.mark.parametrize(
    ("environment", "content", "says"),
    [
        ({"ANSIBLE_REMOTE_USER": "pi"}, "", "ANSIBLE_REMOTE_USER counts for Ansible alone"),
        ({"ANSIBLE_SSH_EXTRA_ARGS": "-p 1"}, "", "ANSIBLE_SSH_EXTRA_ARGS"),
        ({}, "[defaults]\nremote_port = 2200\n", "remote_port counts for Ansible alone"),
        ({}, "[ssh_connection]\nssh_args = -C\n", "ssh_args counts"),
        ({}, "[defaults\n", "can't be read"),
    ],
)
def test_settings_of_ansible_that_say_how_hosts_are_reached_are_refused(
    tmp_path: Path, environment: dict[str, str], content: str, says: str
) -> None:
    """`fab provision` refuses Ansible's settings for reaching hosts, which other commands do not know; this project's
    are accepted.
    """
    file = tmp_path / "ansible.cfg"
    file.write_text(content)
    with pytest.raises(InputError, match=says):
        check_settings({"ANSIBLE_CONFIG": str(file), **environment})
    check_settings({"ANSIBLE_CONFIG": str(Path(__file__).parents[3] / "ansible" / "ansible.cfg")})
