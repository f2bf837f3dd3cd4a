"""The playbook as far as it can be checked without a machine to provision; skipped tests say what they need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ANSIBLE = Path(__file__).parents[3] / "ansible"
UNIT = ANSIBLE / "roles/worker/templates/piswarm-agent.service.j2"


def command(name: str) -> str:
    """Return the path of `name`, beside this Python or on the PATH, or skip the test."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*arguments: str | Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a home directory of its own, so that nobody's settings count; return output and status."""
    path = f"{Path(arguments[0]).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [str(part) for part in arguments],
        cwd=ANSIBLE,
        env={**os.environ, "PATH": path, "HOME": str(home), "NO_COLOR": "1", "PYTHONWARNINGS": "", **environment},
        text=True,
        capture_output=True,
        timeout=150,
        check=False,
    )


def test_the_playbook_can_be_read(tmp_path: Path) -> None:
    done = run(
        command("ansible-playbook"), "-i", "inventory/example.yml", "--syntax-check", "provision.yml", home=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_it_passes_the_strictest_profile_of_ansible_lint(tmp_path: Path) -> None:
    done = run(command("ansible-lint"), "--offline", "--nocolor", "--profile", "production", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def rendered_unit(host: str, folder: Path) -> str:
    """Return the agent's unit as the host gets it."""
    unit = folder / "piswarm-agent.service"
    arguments = f"src={UNIT} dest={unit}"
    done = run(
        *(command("ansible"), host, "-i", f"{host},", "-c", "local", "-e", "worker_watchdog_s=30"),
        *("-e", f"ansible_python_interpreter={sys.executable}", "-m", "ansible.builtin.template", "-a", arguments),
        home=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return unit.read_text()


def test_nodes_that_failed_together_do_not_come_back_together(tmp_path: Path) -> None:
    """Each node's agent waits for a time of its own before it starts again, which is the same in every run of the playbook."""
    first, again, other = (rendered_unit(host, tmp_path) for host in ("pi001", "pi001", "pi002"))
    assert first == again
    changed = set(other.splitlines()) - set(first.splitlines())
    assert [line.partition("=")[0] for line in changed] == ["RestartSec"]


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    """systemd verifies every line of the unit; at run time it would ignore a wrong setting with a warning."""
    analyze = command("systemd-analyze")
    rendered_unit("pi001", tmp_path)
    done = run(analyze, "verify", "--man=no", tmp_path / "piswarm-agent.service", home=tmp_path)
    assert "piswarm-agent.service" not in done.stderr, done.stderr


def test_the_units_environment_is_an_optional_file_of_roots() -> None:
    """A node without the file starts its agent all the same; the file is not in the folder of the agent's own user."""
    lines = UNIT.read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("EnvironmentFile=")] == [
        "EnvironmentFile=-/etc/default/piswarm-agent"
    ]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("# for nodes\n\nPISWARM_AGENT_STATE_FOLDER=/var/lib/piswarm\n", 0),
        ("PISWARM_AGENT_STATE_FOLDER=/var/lib/piswarm\nPGPASSWORD=hush-hush-hush-hush\n", 2),
        ('PISWARM_AGENT_STATE_FOLDER="/var/lib/piswarm\nPGPASSWORD=hush-hush-hush-hush"\n', 2),
    ],
)
def test_only_the_agents_variables_get_to_a_node(text: str, status: int, tmp_path: Path) -> None:
    """The role's own check refuses a file with variables of others, and does not repeat them."""
    file = tmp_path / "agent.env"
    file.write_text(text)
    tasks = ANSIBLE / "roles/worker/tasks/main.yml"
    (check,) = [each for each in yaml.safe_load(tasks.read_text("utf-8")) if "Refuse variables" in each["name"]]
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [check]}]))  # JSON is YAML
    done = run(
        *(command("ansible-playbook"), play, "-i", "pi001,", "-c", "local"),
        *("-e", f"worker_environment_file={file}", "-e", f"ansible_python_interpreter={sys.executable}"),
        home=tmp_path,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert ("piswarm env generate --only agent" in done.stdout + done.stderr) == bool(status)


@pytest.mark.parametrize(("given", "ports"), [({}, "5557, 5558"), ({"controller_port": 6000}, "6000, 6001")])
def test_the_firewall_keeps_others_from_the_ports_of_master_and_target_and_from_nothing_else(
    tmp_path: Path, given: dict[str, int], ports: str
) -> None:
    """The firewall keeps other networks from the ports of master and embedded target alone; `nft` checks it where installed."""
    rules = tmp_path / "firewall.nft"
    role = ANSIBLE / "roles/controller"
    networks = {"controller_networks": ["192.0.2.0/24", "2001:db8::/64"], "ansible_facts": {"env": {}}}
    done = run(
        *(command("ansible"), "controller-1", "-i", "controller-1,", "-c", "local"),
        *("-e", f"@{role / 'defaults/main.yml'}", "-e", json.dumps(networks | given)),
        *("-e", f"ansible_python_interpreter={sys.executable}", "-m", "ansible.builtin.template"),
        *("-a", f"src={role / 'templates/firewall.nft.j2'} dest={rules}"),
        home=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = rules.read_text()
    assert text.startswith("# Managed by Ansible")
    assert [line.strip() for line in text.splitlines() if "dport" in line] == [
        f"tcp dport {{ {ports} }} ip saddr {{ 192.0.2.0/24 }} accept",
        f"tcp dport {{ {ports} }} ip6 saddr {{ 2001:db8::/64 }} accept",
        f"tcp dport {{ {ports} }} drop",
    ]
    assert "policy accept" in text
    if shutil.which("nft"):
        checked = run(command("nft"), "--check", "--file", rules, home=tmp_path)
        assert checked.returncode == 0 or "Operation not permitted" in checked.stderr, checked.stderr
