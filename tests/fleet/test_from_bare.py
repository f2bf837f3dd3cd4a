"""From bare hosts to standing agents, and back to bare hosts, by the commands of an operator; each test builds on those before.

On all hosts releases are deployed by `pi`, who may become root by sudo, as the first user of a Pi may; on the last one
by a user who has the rights that the playbook gives, and no others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Operator
from hosts import HERE, LabHost
from labs import Lab

# PISWARM_LAB_KINDS="trixie-amd64 bookworm-arm64" for others: emulated ones show that it works, and take about ten times as long.
KINDS = os.environ.get("PISWARM_LAB_KINDS", "bookworm-amd64 trixie-amd64 bookworm-amd64 trixie-amd64").split()
LESS = f"pi{len(KINDS):03}"
DEPLOYER = "deployer"
# All that is on the disk but what a running system or Ansible writes by itself; of /etc the content too.
LISTING = r"""
find / -xdev \( -path /var/log -o -path /var/cache -o -path /var/lib/systemd -o -path /var/lib/chrony -o -path /var/tmp -o -name .ansible \) \
    -prune -o -printf '%y %m %u:%g %p %l\n'
find /etc -xdev -type f ! -name '*-' ! -name group ! -name gshadow -exec sha256sum {} +
"""
pytestmark = pytest.mark.timeout(1200)


class Bare:
    """The lab, its operator, and how its hosts were at the beginning."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.operator = Operator(lab, directory / "copy")
        self.deploy_as("pi")
        self.before = {host.name: listing(host) for host in lab.hosts}

    def deploy_as(self, user: str) -> None:
        """Set the user who deploys to the last host."""
        self.lab.write_inventory({LESS: {"ansible_user": user, "worker_deploy_user": DEPLOYER}})


def listing(host: LabHost) -> set[str]:
    return set(host.root(LISTING).splitlines())


@pytest.fixture(scope="module")
def bare(lab_of: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Bare:
    return Bare(lab_of(*KINDS), tmp_path_factory.mktemp("operator"))


def test_host_keys_are_shown_and_trusted(bare: Bare) -> None:
    """The host keys that enrolment trusts are those that the hosts were made with."""
    bare.operator.done("enroll", "--yes")
    assert sorted((bare.operator.state / "known_hosts").read_text().splitlines()) == sorted(
        bare.lab.known_hosts.read_text().splitlines()
    )


def test_nothing_can_be_deployed_to_a_bare_host(bare: Bare) -> None:
    """Deploying to a bare host is refused with the command that prepares it."""
    report = bare.operator.report("deploy-workers", "--dry-run")
    for name, host in report["hosts"].items():
        assert (host["cause"], host["hint"]) == ("not prepared", f"prepare the host: fab provision --limit {name}")


def test_hosts_are_prepared(bare: Bare) -> None:
    """The playbook prepares the hosts, by the host keys that were enrolled."""
    said = bare.operator.done("provision")
    assert said.count("failed=0") == len(KINDS)
    (less,) = (host for host in bare.lab.hosts if host.name == LESS)
    less.root(
        f"install -d -m 700 -o {DEPLOYER} -g {DEPLOYER} ~{DEPLOYER}/.ssh;"
        f"install -m 600 -o {DEPLOYER} -g {DEPLOYER} ~pi/.ssh/authorized_keys ~{DEPLOYER}/.ssh/authorized_keys"
    )
    bare.deploy_as(DEPLOYER)


def test_a_dry_run_changes_nothing(bare: Bare) -> None:
    before = {host.name: listing(host) for host in bare.lab.hosts}
    report = bare.operator.report("deploy-workers", "--dry-run")
    assert {host["outcome"] for host in report["hosts"].values()} == {"would change"}
    assert {host.name: listing(host) for host in bare.lab.hosts} == before


def test_a_release_is_brought_to_all(bare: Bare) -> None:
    """A first deployment brings agents to all hosts, as a user without rights, with keys of their own and a status in words."""
    report = bare.operator.report("deploy-workers")
    assert {host["outcome"] for host in report["hosts"].values()} == {"changed"}, report
    status = bare.operator.report("status")
    for host in bare.lab.hosts:
        told = host.root(
            "systemctl show piswarm-agent.service -p ActiveState -p StatusText;"
            "stat -c '%U %a %n' /etc/piswarm /etc/piswarm/node.json /etc/piswarm/keys/*;"
            "ps -o user= -p $(systemctl show piswarm-agent.service -p MainPID --value); cat /etc/piswarm/node.json"
        )
        assert "ActiveState=active" in told
        says = re.search(r"(?m)^StatusText=(.+)$", told)
        assert says
        assert says[1] in status["hosts"][host.name]["differs"]
        assert "piswarm 700 /etc/piswarm\n" in told
        assert "piswarm 600 /etc/piswarm/keys/node.secret\n" in told
        assert "\npiswarm\n" in told
        assert f'"address":"tcp://{HERE}:5557"' in told
    assert "piswarm-agent" in bare.operator.done("logs", "--lines", "5")


def test_a_second_time_there_is_nothing_to_do(bare: Bare, capsys: pytest.CaptureFixture[str]) -> None:
    """A second deployment finds nothing to do and sends no byte."""
    report = bare.operator.report("deploy-workers")
    assert {host["outcome"] for host in report["hosts"].values()} == {"unchanged"}, report
    assert sum(host["bytes_sent"] for host in report["hosts"].values()) == 0
    longest_s = max(host["duration_s"] for host in report["hosts"].values())
    with capsys.disabled():
        print(f"\n{len(KINDS)} hosts unchanged in {report['duration_s']:.2f} s, the slowest took {longest_s:.2f} s")  # noqa: T201


def test_another_release_and_back(bare: Bare) -> None:
    """Agents run a second release after its deployment, and the first one after a rollback, which sends nothing."""
    first = {name: host["after"] for name, host in bare.operator.report("status")["hosts"].items()}
    bare.operator.change("__init__.py", "\n# another one\n")
    second = bare.operator.report("deploy-workers")
    assert {host["outcome"] for host in second["hosts"].values()} == {"changed"}, second
    assert {name: host["before"] for name, host in second["hosts"].items()} == first
    for host in bare.lab.hosts:
        assert runs(host) == second["hosts"][host.name]["after"] != first[host.name]
    back = bare.operator.report("rollback-workers")
    assert {host["outcome"] for host in back["hosts"].values()} == {"changed"}, back
    assert sum(host["bytes_sent"] for host in back["hosts"].values()) == 0
    assert {host.name: runs(host) for host in bare.lab.hosts} == first


def test_a_host_with_a_former_unit_is_named_and_provisioned_again(bare: Bare) -> None:
    """A host whose unit starts a former version's agent is refused a release, and gets one after the commands that it names."""
    host = bare.lab.hosts[0]
    unit = "/etc/systemd/system/piswarm-agent.service"
    host.root(f"sed -i s/worker.agent.service/worker.service/ {unit}; systemctl daemon-reload")
    (refused,) = bare.operator.report("deploy-workers", "--limit", host.name)["hosts"].values()
    assert refused["cause"] == "not prepared"
    assert "it starts '/usr/bin/python3 -P -m worker.service /etc/piswarm'" in refused["message"]
    assert refused["hint"].startswith(f"fab stop-workers --limit {host.name}, then fab provision --limit {host.name}")
    bare.operator.done("stop-workers", "--limit", host.name)
    bare.operator.done("provision", "--limit", host.name)
    (deployed,) = bare.operator.report("deploy-workers", "--limit", host.name)["hosts"].values()
    assert deployed["outcome"] == "changed", deployed


def runs(host: LabHost) -> str:
    """Return the release that the host's agent runs in."""
    script = "basename $(readlink /proc/$(systemctl show piswarm-agent.service -p MainPID --value)/cwd)"
    return host.root(script).strip()


def test_removal_leaves_nothing(bare: Bare) -> None:
    """A user without root removes what was deployed and is told what is left, which root removes; a second removal does nothing."""
    report = bare.operator.report("remove-workers", "--yes")
    assert {host["outcome"] for host in report["hosts"].values()} == {"changed"}, report
    left = report["hosts"][LESS]["differs"]
    assert "/etc/systemd/system/piswarm-agent.service" in left
    assert "a user who may become root" in left
    again = bare.operator.report("remove-workers", "--yes")
    assert {host["outcome"] for host in again["hosts"].values()} == {"unchanged"}, again
    bare.deploy_as("pi")
    (rest,) = bare.operator.report("remove-workers", "--yes", "--limit", LESS)["hosts"].values()
    assert (rest["outcome"], rest["differs"]) == ("changed", "removed")
    for host in bare.lab.hosts:
        if host.name == LESS:
            host.root(f"userdel --remove {DEPLOYER}")  # whom the playbook made, and who may have been there before
        after = listing(host)
        assert sorted(after - bare.before[host.name]) == [], host.name
        assert sorted(bare.before[host.name] - after) == [], host.name
