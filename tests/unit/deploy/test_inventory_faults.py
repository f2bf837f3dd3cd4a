"""Every fault of an inventory, also one that Ansible only warns of, is refused with file, line and reason."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from master.errors import InputError
from master.inventory import ansible_reader
from master.inventory.inventory import read_inventory


def refusal(file: Path, pattern: str = "all", limit: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_inventory(file).hosts(pattern, limit=limit)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("w:\n  hosts:\n    pi_1:\n", 3, "no '_' in a node's name"),
        ("w:\n  hosts:\n    pi1: {ansible_port: 70000}\n", 3, "ansible_port of pi1: 70000 is not a port"),
        ("w:\n  hosts:\n    pi1: {ansible_port: yes}\n", None, "True is not a port"),
        ("w:\n  hosts:\n    pi1:\n      ansible_host: -oProxyCommand=x\n", 4, "is not a host name"),
        ("w:\n  hosts:\n    pi1:\n  vars: {ansible_user: 'a b'}\n", 4, "is not a user's name"),
        ("w:\n  hosts: {pi1: }\n  vars:\n    piswarm_weight: 0\n", 4, "0 is not a number above 0"),
        ("w:\n  hosts: {pi1: }\n  vars:\n    piswarm_weight: .nan\n", 4, "nan is not a number above 0"),
        ("w:\n  hosts: {pi1: }\n  vars:\n    piswarm_workers: 2.5\n", 4, "2.5 is not a whole number from 1 to 8"),
        ("w:\n  hosts: {pi1: }\n  vars:\n    piswarm_worker: 2\n", 4, "did you mean 'piswarm_workers'?"),
        (
            "w:\n  hosts: {pi1: }\n  vars:\n    piswarm_controller: 2001:db8::1\n",
            4,
            "'2001:db8::1' is not an address such as",
        ),
        ("w:\n  hosts: {pi1: }\n  vars:\n    piswarm_controller: '[1.2.3]'\n", 4, "'[1.2.3]' is not an address"),
        ("w:\n  hosts: {pi1: }\n  vars:\n    piswarm_controller: a:70000\n", 4, "'a:70000' is not an address"),
        ("w:\n  hosts: {pi1: }\n  vars:\n    piswarm_controller: tcp://a\n", 4, "'tcp://a' is not an address"),
        ("w:\n  hosts: {pi1: }\n  vars:\n    piswarm_model:\n", None, "nothing is not a short text"),
        ("w:\n  hosts:\n    pi1:\n    pi2: {ansible_host: pi1}\n", 4, "pi2 has the address and port of pi1"),
        (
            "w:\n  hosts:\n    pi[01:500]:\n",
            3,
            "pi[01:500]: host range must specify equal-length begin and end formats",
        ),
        ("w:\n  hosts:\n    pi[5:1]:\n", 3, "ends before it begins"),
        ("w:\n  hosts:\n    pi[1:5:0]:\n", 3, "pi[1:5:0] is no range: [begin:end] or [begin:end:step]"),
        ("w:\n  hosts:\n    pi[5:]:\n", 3, "pi[5:]: host range must specify end value"),
        ("w:\n  hosts:\n    pi[1:99999999999]:\n", 3, "more than 10000 hosts"),
        ("w:\n  hosts:\n    p[1:999]i[1:999]:\n", 3, "stands for 998001 hosts"),
        ("w:\n  hosts:\n    pi[1:3:\n", 3, "pi[1:3 is no range"),
        ("w:\n  hosts: {pi1: \n", 3, "YAML parsing failed"),
        ("w:\n  hosts:\n    'pi 1':\n", 3, "'pi 1' as a node's name"),
        ("w:\n  hosts:\n    17:\n", None, "Host pattern 17 must be a string"),
        ("w:\n  hosts: [pi1]\n", None, 'Invalid "hosts" entry for "w" group, requires a dictionary'),
        ("w:\n  host:\n    pi1:\n", None, "Skipping unexpected key (host) in group (w)"),
        ("w: {hosts: {pi1: }}\nx: 3\n", None, "Skipping 'x' as this is not a valid group definition"),
        ("w:\n  hosts: {w: }\n", None, "both group and host with same name: w"),
        ("a:\n  children: {b: {children: {a: }}}\n", None, "a recursive dependency loop"),
        ("w:\n  hosts: {pi1: {x: 1, x: 2}}\n", 2, "duplicate mapping key 'x'"),
        ("plugin: aws_ec2\n", None, "Ansible can't read it"),
        ("#!/bin/sh\necho {}\n", None, "it should be a dictionary, got: Str"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6161\n", None, "A vault password must be specified"),
        ("- pi1\n", None, "it should be a dictionary, got: List"),
        ("# none\n", None, "holds no host"),
        ("w: {children: {ungrouped: }}\n", None, "holds no host"),
    ],
)
def test_refused_with_line_and_reason(tmp_path: Path, text: str, line: int | None, reason: str) -> None:
    """A fault of an inventory is refused with the line and the reason, without a line where Ansible tells none."""
    file = tmp_path / "fleet.yml"
    file.write_text(text)
    message = refusal(file)
    assert message.startswith(f"{file}:{line}: " if line else f"{file}: ")
    assert reason in message


@pytest.mark.parametrize(
    "text",
    [
        "w:\n  hosts: {pi1: }\n  vars:\n    site: '{{ x }}'\n",
        "w:\n  hosts: {pi1: }\n  vars:\n    key: !vault |\n      $ANSIBLE_VAULT;1.1\n",
        "w:\n  hosts: {pi1: &a {x: 1}}\n",
        "w:\n  hosts: {pi1: }\n  vars:\n    since: 2026-01-02\n",
        "w:\n  hosts: pi1\n",
        "[workers]\npi1\n",
    ],
)
def test_what_ansible_reads_is_read(tmp_path: Path, text: str) -> None:
    """Templates, vaults and other variables that piswarm does not use, YAML's short forms and ini files are read."""
    file = tmp_path / "fleet.yml"
    file.write_text(text)
    assert [host.name for host in read_inventory(file).hosts()] == ["pi1"]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("workres", "'workres' is no host and no group"),
        ("workers:!rack_x", "'rack_x' is no host and no group"),
        ("workers:!pi9*", "'pi9*' is no host and no group"),
        ("~po.*", "'~po.*' is no host and no group"),
        ("@failed.txt", "'@failed.txt' is no host and no group"),
        ("workers[2]", "'workers[2]'"),
        ("workers:22", "separate the terms with commas"),
        ("fe80::1", "separate the terms with commas"),
        ("pi[1:2", "a bracket without its other one"),
        ("localhost", "'localhost' is no host and no group"),
        ("!", "'!' names nothing"),
        ("workers:!workers", "means no host"),
    ],
)
def test_a_pattern_that_can_not_be_followed_is_refused(tmp_path: Path, pattern: str, reason: str) -> None:
    """A pattern that names no host or group is refused; above all in an exclusion, where a misspelt name would exclude nothing."""
    file = tmp_path / "fleet.yml"
    file.write_text("workers: {hosts: {pi1: , pi2: }}\n")
    assert reason in refusal(file, pattern)
    assert reason in refusal(file, limit=pattern) or "means no host" in refusal(file, limit=pattern)


def test_files_of_variables_are_named(tmp_path: Path) -> None:
    """A fault in a file of variables is reported with that file and line, also when a host's value is wrong."""
    file = tmp_path / "fleet.yml"
    file.write_text("w: {hosts: {pi1: }}\n")
    (tmp_path / "group_vars").mkdir()
    variables = tmp_path / "group_vars" / "w.yml"
    variables.write_text("a: 1\na: 2\n")
    assert f"{variables}:2: Ansible warns: Found duplicate mapping key 'a'" in refusal(file)
    variables.write_text("a: 1\nb: {\n")
    assert f"{variables}:3: pi1: Ansible can't tell its variables: YAML parsing failed" in refusal(file)
    variables.write_text("a: 1\nansible_host: '{{ nothing }}'\n")
    assert f"{variables}:2: pi1: Ansible can't tell its variables: 'nothing' is undefined" in refusal(file)
    variables.write_text("a: 1\nansible_port: x\n")
    assert f"{variables}:2: ansible_port of pi1: 'x' is not a port" in refusal(file)
    variables.write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    assert "w.yml" in refusal(file)
    assert "vault" in refusal(file)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    """All faults of the selected hosts are reported at once; other hosts of the inventory may have any name."""
    file = tmp_path / "fleet.yml"
    file.write_text("w: {hosts: {pi_1: , pi2: {ansible_port: 0}}}\nother:\n  hosts: {my_server: }\n")
    message = refusal(file, "w")
    assert message.startswith("2 faults in the inventory")
    assert "pi_1" in message
    assert "my_server" not in message


def test_of_thousands_of_faults_the_first_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    """Of thousands of faults, as one for each host of a range, the first are shown and the others counted."""
    file = tmp_path / "fleet.yml"
    file.write_text("w:\n  hosts:\n    pi_[1:5000]:\n")
    with pytest.raises(InputError) as caught:
        read_inventory(file).hosts()
    message = str(caught.value)
    assert message.startswith("5000 faults in the inventory")
    assert message.endswith("and 4980 more")
    assert len(message) < 10_000


def test_an_inventory_that_is_not_there(tmp_path: Path) -> None:
    """A missing inventory, and a directory without one, are refused by name."""
    assert "no such file" in refusal(tmp_path / "none.yml")
    assert f"{tmp_path}: " in refusal(tmp_path)


def test_a_terminals_colours_are_no_part_of_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages hold no colour codes, though Ansible colours its warnings where stdout is a terminal."""
    monkeypatch.setattr("ansible.utils.color.ANSIBLE_COLOR", True)
    file = tmp_path / "fleet.yml"
    file.write_text("w:\n  hosts:\n    pi[5:1]:\n")
    message = f"{file}:3: Ansible can't read it: pi[5:1]: [5:1] ends before it begins"
    assert refusal(file).partition("\n")[0] == message
    file.write_text("w:\n  coloured:\n    pi1:\n")
    assert "\x1b" not in refusal(file)


def test_an_inventory_without_ansible_core_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ansible-core an inventory is refused before it is read, with the name of the extra to install."""
    file = tmp_path / "fleet.yml"
    file.write_text("w: {hosts: {pi1: }}\n")
    monkeypatch.setattr(ansible_reader, "is_installed", lambda: False)
    with pytest.raises(InputError) as caught:
        read_inventory(file)
    assert "ansible-core, which is not installed" in caught.value.message
    assert "piswarm[controller]" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["fleet.ini", "fleet.yml", "fleet"])
def test_programs_and_directories_are_read_as_ansible_reads_them(tmp_path: Path, name: str) -> None:
    """Executable inventories and directories are read as Ansible reads them, whatever their names."""
    file = tmp_path / name
    file.write_text('#!/bin/sh\necho \'{"w": {"hosts": ["pi1"]}}\'\n')
    file.chmod(0o755)
    assert [host.name for host in read_inventory(file).hosts("w")] == ["pi1"]
    if name != "fleet.ini":  # Ansible reads no .ini in a directory
        assert [host.name for host in read_inventory(tmp_path).hosts("w")] == ["pi1"]


@pytest.mark.parametrize(
    "limit",
    ["", " ", ",", ":", "::", "[", "]", "~", "!", "&", "@", "!~", "pi1:", ":pi1", "pi1,", "pi1,,pi2", "pi1:&", "pi1,!", "!,pi1",
     "~(", "~x*", "~pi9|", "pi1:[", "workers[", "pi1, ,pi2"],
)  # fmt: skip
def test_an_empty_or_broken_term_never_means_all_hosts(tmp_path: Path, limit: str) -> None:
    """An empty or broken term, such as the limit "$A,$B" of a script that sets neither, is refused by name and never
    means all hosts.
    """
    file = tmp_path / "fleet.yml"
    file.write_text("workers: {hosts: {pi1: , pi2: }}\n")
    assert f"pattern {limit!r}"[:-1] in refusal(file, "workers", limit) or limit.startswith("~")
    assert refusal(file, limit, None)


@pytest.mark.parametrize(
    "limit", ["workers[7]", "pi1[0:zz]", "~[", "x" * 50_000, "pi1:!" + "(" * 5000, "\0", "{{ x }}", "~(?P<a>"]
)
def test_whatever_ansible_stumbles_over_in_a_pattern_is_wrong_input(tmp_path: Path, limit: str) -> None:
    """A pattern at which Ansible itself fails is wrong input, with a message of bounded length."""
    file = tmp_path / "fleet.yml"
    file.write_text("workers: {hosts: {pi1: , pi2: }}\n")
    assert refusal(file, "workers", limit)


@pytest.mark.parametrize(
    "written",
    ["pi[1:999999999]", "pi[1:99999999999999999999999]", "p[1:999]i[1:999]", "a[1:9]b[1:9]c[1:9]d[1:9]e[1:9]"],
)
@pytest.mark.parametrize("ending", ["yml", "ini"])
def test_a_range_of_too_many_hosts_is_refused_before_they_are_made(tmp_path: Path, written: str, ending: str) -> None:
    """A range of too many hosts is refused before the hosts are made, in little memory."""
    file = tmp_path / f"fleet.{ending}"
    file.write_text(f"workers: {{hosts: {{'{written}': }}}}\n" if ending == "yml" else f"[workers]\n{written}\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "10000" in refusal(file)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_the_controllers_own_name_is_no_nodes(tmp_path: Path) -> None:
    """No node may be named as the controller, whose telemetry its own would be taken for; a host of another group may."""
    file = tmp_path / "fleet.yml"
    file.write_text("workers: {hosts: {pi1: , controller: }}\n")
    assert "controller as a node's name: the controller's own" in refusal(file, "workers", None)
    file.write_text("workers: {hosts: {pi1: }}\nservers: {hosts: {controller: }}\n")
    assert [host.name for host in read_inventory(file).hosts("workers")] == ["pi1"]


@pytest.mark.parametrize("port", ["7" * 9000, "0x" + "f" * 9000, "'" + "7" * 9000 + "'", "-1", "1e3", "0x16g"])
def test_a_port_that_is_none_is_refused_however_long_it_is(tmp_path: Path, port: str) -> None:
    """A port that is none is refused, however long it is, in a message that does not repeat it."""
    file = tmp_path / "fleet.yml"
    file.write_text(f"workers: {{hosts: {{pi1: {{ansible_port: {port}}}}}}}\n")
    assert refusal(file)
    file.write_text(f"workers: {{hosts: {{'pi1:{port}': }}}}\n")
    assert refusal(file)


def test_what_is_no_file_of_text_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe, socket or device in place of the inventory or beside it is refused at once, since reading it might never end."""
    pipe = tmp_path / "fleet.yml"
    os.mkfifo(pipe)
    (tmp_path / "real.yml").write_text("workers: {hosts: {pi1: }}\n")
    says = {
        str(pipe): "is a pipe",
        "/dev/zero": "is a pipe, a socket or a device",
        "/proc/self/mem": "can't be read",
        "x" * 5000: "can't be read",
        "a/" * 2500: "can't be read",
        str(tmp_path / "none"): "no such file",
        str(tmp_path / "real.yml/x"): "can't be read",
    }
    program = (
        "import sys; from master.errors import *; from master.inventory.inventory import *; from pathlib import *\n"
        "for path in sys.argv[1:]:\n"
        "    try: read_inventory(Path(path))\n"
        "    except InputError as error: print(error)\n"
    )
    # In a process of its own, which a pipe would hold up.
    command = [sys.executable, "-c", program, *says]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    messages = done.stdout.splitlines()
    assert len(messages) == len(says)
    for message, reason in zip(messages, says.values(), strict=True):
        assert reason in message
        assert len(message) < 500
    (tmp_path / "group_vars").mkdir()
    os.mkfifo(tmp_path / "group_vars" / "all.yml")
    assert "all.yml: is a pipe" in refusal(tmp_path / "real.yml")
