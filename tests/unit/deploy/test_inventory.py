"""The hosts of an inventory file, the precedence of their variables, and the meaning of patterns."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from master.errors import InputError
from master.inventory.host import Host
from master.inventory.inventory import read_inventory

EXAMPLE = Path(__file__).parents[3] / "ansible" / "inventory" / "example.yml"

FLEET = """
all:
  vars: {ansible_user: everyone, depth: all, piswarm_weight: 1}
  hosts:
    lone:
  children:
    workers:
      vars: {depth: workers, ansible_port: 2200}
      children:
        rack_a:
          hosts:
            pi[001:003]:
            pi003: {ansible_host: 10.0.0.3, piswarm_weight: 2.5, piswarm_workers: 3, piswarm_model: Raspberry Pi 5}
          vars: {depth: rack_a}
        rack_b:
          hosts:
            pi[010:014:2]: {ansible_ssh_private_key_file: /keys/b}
    lab:
      hosts: {pi001: , pi010: {depth: host}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    file = tmp_path / "fleet.yml"
    file.write_text(FLEET)
    return file


def by_name(file: Path, pattern: str = "all") -> dict[str, Host]:
    return {host.name: host for host in read_inventory(file).hosts(pattern)}


def test_a_host_has_what_its_variables_say_of_it(fleet: Path) -> None:
    """A host has the address, user, port, key, weight, workers, model and groups that its variables give, and keeps the others."""
    hosts = by_name(fleet)
    assert list(hosts) == ["lone", "pi001", "pi002", "pi003", "pi010", "pi012", "pi014"]
    assert hosts["pi003"] == Host(
        name="pi003",
        address="10.0.0.3",
        user="everyone",
        port=2200,
        key_file=None,
        weight=2.5,
        workers=3,
        model="Raspberry Pi 5",
        groups=("rack_a", "workers"),
        variables={"depth": "rack_a"},
    )
    assert (hosts["pi012"].address, hosts["pi012"].key_file) == ("pi012", Path("/keys/b"))
    assert (hosts["lone"].groups, hosts["lone"].port, hosts["lone"].workers) == (("ungrouped",), None, None)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("192.0.2.1", "tcp://192.0.2.1:5557"),
        ("controller-1.lab:6000", "tcp://controller-1.lab:6000"),
        ("'[2001:db8::1]'", "tcp://[2001:db8::1]:5557"),
        ("'[::1]:5557'", "tcp://[::1]:5557"),
    ],
)
def test_by_which_address_a_node_reaches_the_controller(tmp_path: Path, written: str, address: str) -> None:
    """A node reaches the controller by the address in its variables, with the usual port where none is given."""
    file = tmp_path / "inventory.yml"
    file.write_text(f"workers:\n  hosts: {{pi1: }}\n  vars:\n    piswarm_controller: {written}\n")
    assert by_name(file)["pi1"].controller == address


def test_the_nearer_variable_wins(fleet: Path) -> None:
    """A host's variable wins over its group's, a child group's over its parent's, and any over those of all."""
    hosts = by_name(fleet)
    depths = {name: host.variables["depth"] for name, host in hosts.items()}
    assert depths == {
        "lone": "all", "pi001": "rack_a", "pi002": "rack_a", "pi003": "rack_a",
        "pi010": "host", "pi012": "workers", "pi014": "workers",
    }  # fmt: skip


def test_files_of_variables_win_over_what_the_inventory_says_of_groups(fleet: Path) -> None:
    """Files of variables, also the one for all, win over what the inventory sets for groups; a host's file wins over everything."""
    for name, text in {
        "group_vars/all.yml": "depth: file of all\nextra: [1, {a: b}]\n",
        "group_vars/rack_b/10-first.yml": "depth: first\nbig: first\n",
        "group_vars/rack_b/20-second": "depth: second\n",
        "group_vars/rack_b/.hidden.yml": "depth: hidden\n",
        "group_vars/rack_b/old.yml~": "depth: old\n",
        "group_vars/lab.json": '{"lab": true}',
        "group_vars/workers.yml": "# nothing yet\n",
        "host_vars/pi002.yaml": "depth: file of pi002\npiswarm_workers: '2'\n",
    }.items():
        path = fleet.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    hosts = by_name(fleet)
    assert {name: host.variables["depth"] for name, host in hosts.items()} == {
        "lone": "file of all", "pi001": "file of all", "pi002": "file of pi002", "pi003": "file of all",
        "pi010": "host", "pi012": "second", "pi014": "second",
    }  # fmt: skip
    assert hosts["pi002"].workers == 2
    assert hosts["pi010"].variables == {"depth": "host", "extra": [1, {"a": "b"}], "big": "first", "lab": True}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("workers:!rack_a", "pi010 pi012 pi014"),
        ("!rack_a", "lone pi010 pi012 pi014"),
        ("workers:&lab", "pi001 pi010"),
        ("workers:!rack_a:&lab", "pi010"),
        ("&lab,workers,!pi010", "pi001"),
        ("rack_*", "pi001 pi002 pi003 pi010 pi012 pi014"),
        ("pi00?", "pi001 pi002 pi003"),
        ("pi0[!1]*", "pi001 pi002 pi003"),
        ("lone, pi012", "lone pi012"),
        ("pi012:lone", "lone pi012"),
        ("ungrouped", "lone"),
        ("*", "lone pi001 pi002 pi003 pi010 pi012 pi014"),
    ],
)
def test_patterns_mean_what_they_mean_to_ansible(fleet: Path, pattern: str, names: str) -> None:
    """The terms of a pattern are united, then intersected by '&', then cut by '!', in whatever order they stand, as in Ansible."""
    assert list(by_name(fleet, pattern)) == names.split()


def test_a_limit_cuts_a_pattern_down(fleet: Path) -> None:
    """A limit restricts a pattern as --limit restricts the hosts of a play."""
    inventory = read_inventory(fleet)
    assert [host.name for host in inventory.hosts("workers", limit="lab:lone")] == ["pi001", "pi010"]


@pytest.mark.parametrize(
    ("written", "names", "port"),
    [
        ("pi[:2]", "pi0 pi1 pi2", None),
        ("pi[8:11]", "pi8 pi9 pi10 pi11", None),
        ("pi[008:011]", "pi008 pi009 pi010 pi011", None),
        ("pi[0:10:5]", "pi0 pi5 pi10", None),
        ("rack-[y:B]", "rack-y rack-z rack-A rack-B", None),
        ("r[a:b]-pi[1:2]:2222", "ra-pi1 ra-pi2 rb-pi1 rb-pi2", 2222),
        ("192.0.2.[9:10]", "192.0.2.9 192.0.2.10", None),
        ("pi7:22", "pi7", 22),
    ],
)
def test_ranges_stand_for_names(tmp_path: Path, written: str, names: str, port: int | None) -> None:
    """Ranges keep leading zeros, and can have steps, letters, several ranges in one name, and one port for all."""
    file = tmp_path / "fleet.yml"
    file.write_text(f"workers: {{hosts: {{'{written}': }}}}\n")
    hosts = read_inventory(file).hosts()
    assert [host.name for host in hosts] == names.split()
    assert {host.port for host in hosts} == {port}


def test_priority_orders_groups_of_equal_depth(tmp_path: Path) -> None:
    """Of groups of equal depth the one with the higher priority wins, else the later name."""
    file = tmp_path / "fleet.yml"
    text = "{p}: {{hosts: {{pi1: }}, vars: {{v: {p}{more}}}}}\n"
    file.write_text(text.format(p="a", more=", ansible_group_priority: 7") + text.format(p="b", more=""))
    assert by_name(file)["pi1"].variables == {"v": "a"}


def test_values_are_what_ansible_makes_of_them(tmp_path: Path) -> None:
    """Values are those of YAML 1.1, as Ansible reads it, where 0100 is 64."""
    file = tmp_path / "fleet.yml"
    values = {"0100": 64, "1:30": 90, "0x1f": 31, "1_000": 1000, "yes": True, "1e3": "1e3", "09": "09", "~": None}
    rows = "".join(f"    v{number}: {text}\n" for number, text in enumerate(values))
    file.write_text(f"w:\n  hosts: {{pi1: }}\n  vars:\n{rows}")
    (host,) = read_inventory(file).hosts()
    assert list(host.variables.values()) == list(values.values())


def test_five_hundred_hosts_are_read_in_a_moment(tmp_path: Path) -> None:
    """An inventory of 500 hosts is read within ten times the CPU time that it takes, without the import of Ansible."""
    file = tmp_path / "fleet.yml"
    file.write_text("workers: {hosts: {'pi[001:500]': {piswarm_weight: 2}}, vars: {ansible_user: pi}}\n")
    read_inventory(file)
    began = time.process_time()
    hosts = read_inventory(file).hosts("workers:!pi007")
    assert (len(hosts), hosts[-1].name) == (499, "pi500")
    assert time.process_time() - began < 2


def test_ansible_is_imported_only_where_an_inventory_is_read() -> None:
    """Ansible is imported only where an inventory is read, so that commands without one start fast."""
    program = "import sys, master.cli, master.run.real_nodes.roster, master.deploy.command; assert 'ansible' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_example_is_read() -> None:
    """The inventory that is shipped as an example is read."""
    hosts = read_inventory(EXAMPLE).hosts("workers")
    assert len(hosts) == 500
    assert {host.user for host in hosts} == {"deploy"}


def test_templates_are_filled_in_by_ansible(tmp_path: Path) -> None:
    """Ansible fills in the templates of variables that say how to reach a host."""
    file = tmp_path / "fleet.yml"
    file.write_text(
        "w: {hosts: {pi1: }, vars: {ansible_host: '{{ inventory_hostname }}.lab', ansible_port: '{{ 20 + 2 }}'}}\n"
    )
    (host,) = read_inventory(file).hosts()
    assert (host.address, host.port) == ("pi1.lab", 22)


def test_what_ansible_reads_and_is_wrong_is_named_by_file_and_line(tmp_path: Path) -> None:
    """A wrong value that Ansible accepts is refused with the file and line that Ansible knows for it."""
    file = tmp_path / "fleet.yml"
    file.write_text("w:\n  hosts:\n    pi1:\n  vars:\n    ansible_port: seven\n")
    with pytest.raises(InputError, match=r"ansible_port of pi1: 'seven' is not a port") as caught:
        read_inventory(file).hosts()
    assert f"{file}:5: " in str(caught.value)
