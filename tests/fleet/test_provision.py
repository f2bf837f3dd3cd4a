"""Bare machines become nodes and a controller, over real SSH: a lab's, or those of an inventory whose hosts may be changed.

PISWARM_FLEET_INVENTORY names such an inventory: its groups are `workers` and `controller`, its user may become root.
Each test builds on those before.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hosts import NETWORK
from labs import Lab

ANSIBLE = Path(__file__).parents[2] / "ansible"
RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
LIMIT_S = 900


@pytest.fixture(scope="module")
def inventory(lab_of: Callable[..., Lab]) -> Path:
    named = os.environ.get("PISWARM_FLEET_INVENTORY")
    if named:
        return Path(named).resolve()
    lab = lab_of("trixie-amd64", "bookworm-amd64", "trixie-amd64")
    controller, *workers = ({host.name: {"ansible_host": host.address}} for host in lab.hosts)
    # No others than its hosts have: there is no network to fetch them from.
    of_controller = {"controller_networks": [f"{NETWORK}.0/24"], "controller_packages": ["nftables"]}
    content = {
        "vars": {
            "ansible_user": "pi",
            "ansible_ssh_private_key_file": str(lab.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts}",
        },
        "children": {
            "controller": {"hosts": controller, "vars": of_controller},
            "workers": {"hosts": workers[0] | workers[1]},
        },
    }
    lab.inventory.write_text(json.dumps({"all": content}))
    return lab.inventory


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def provision(inventory: Path, *options: str) -> dict[str, int]:
    """Run the playbook without a failed task; return how many tasks changed something, by host."""
    done = subprocess.run(
        [tool("ansible-playbook"), "-i", str(inventory), "provision.yml", *options],
        cwd=ANSIBLE,
        env={**os.environ, "NO_COLOR": "1"},
        text=True,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    found = {host: tuple(map(int, counts)) for host, *counts in RECAP.findall(done.stdout)}
    assert done.returncode == 0, done.stdout + done.stderr
    assert found
    assert all(not unreachable and not failed for _, unreachable, failed in found.values())
    return {host: changed for host, (changed, _, _) in found.items()}


def said(inventory: Path, pattern: str, script: str) -> str:
    """Return what a shell script prints on each of the hosts of `pattern`, as root."""
    done = subprocess.run(
        [tool("ansible"), pattern, "-i", str(inventory), "-b", "-m", "ansible.builtin.raw", "-a", script],
        cwd=ANSIBLE,
        env={**os.environ, "NO_COLOR": "1"},
        text=True,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(3 * LIMIT_S)
def test_a_dry_run_works_on_a_bare_host_and_says_what_it_would_do(inventory: Path) -> None:
    assert all(provision(inventory, "--check", "--diff").values())


@pytest.mark.timeout(3 * LIMIT_S)
def test_a_second_run_changes_nothing_and_a_dry_run_then_finds_nothing_to_do(inventory: Path) -> None:
    provision(inventory)
    assert set(provision(inventory).values()) == {0}
    assert set(provision(inventory, "--check", "--diff").values()) == {0}


@pytest.mark.timeout(LIMIT_S)
def test_what_was_changed_by_hand_is_put_right(inventory: Path) -> None:
    """The playbook restores what was changed by hand, also a kernel setting that only the running kernel has."""
    look = "stat -c '%U %a' /etc/piswarm; cat /proc/sys/net/ipv4/ip_local_port_range"
    before = said(inventory, "workers", look)
    said(
        inventory,
        "workers",
        "sysctl -qw net.ipv4.ip_local_port_range='32768 60999'; chown root /etc/piswarm; chmod 755 /etc/piswarm",
    )
    assert said(inventory, "workers", look) != before
    changed = provision(inventory, "--limit", "workers")
    assert set(changed.values()) <= {1, 2}  # one where kernel settings are read-only
    assert said(inventory, "workers", look) == before


@pytest.mark.timeout(LIMIT_S)
def test_the_workers_user_has_no_shell_no_password_and_no_sudo(inventory: Path) -> None:
    told = said(inventory, "workers", "getent passwd piswarm; getent shadow piswarm; sudo -l -U piswarm")
    assert told.count(":/usr/sbin/nologin") == told.count("piswarm:!:") == told.count("is not allowed to run sudo") > 0


@pytest.mark.timeout(LIMIT_S)
def test_without_a_release_the_agent_does_not_start_and_the_cause_is_told(inventory: Path) -> None:
    """Without a release, unless one has been deployed, the agent's unit does not start."""
    script = (
        "test -e /opt/piswarm/current || { systemctl start piswarm-agent.service; test $? -ne 0 || echo STARTED;"
        " systemctl status piswarm-agent.service; }; true"
    )
    told = said(inventory, "workers", script)
    assert "STARTED" not in told
    assert "enabled" in said(inventory, "workers", "systemctl is-enabled piswarm-agent.service")
