"""Faults of power, disk, network, rights and systemd, which only a real host shows, while it is deployed to.

After each, every host runs the old release or the new one. Releases are deployed by a user who has the rights that the
playbook gives, and no others. The tests of tests/integration/deploy/test_deploy_faults.py do the rest, and need no
root.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import LIMIT_S, Operator, report_of
from hosts import LabHost, wait_for
from labs import Lab

DEPLOYER = "deployer"
PAD_BYTES = 40_000_000
RUNS = "basename $(readlink /proc/$(systemctl show piswarm-agent.service -p MainPID --value)/cwd)"
PART = "ls -d /opt/piswarm/releases/.[!.]*/worker 2>/dev/null"
SUDOERS = "/etc/sudoers.d/60-piswarm"
pytestmark = pytest.mark.timeout(900)


class Fleet:
    """Two hosts that run a release, and their operator."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.host, self.other = lab.hosts
        self.operator = Operator(lab, directory / "copy")
        lab.write_inventory(worker_deploy_user=DEPLOYER)
        self.operator.done("enroll", "--yes")
        self.operator.done("provision")
        for host in lab.hosts:
            host.root(
                f"install -d -m 700 -o {DEPLOYER} -g {DEPLOYER} ~{DEPLOYER}/.ssh;"
                f"install -m 600 -o {DEPLOYER} -g {DEPLOYER} ~pi/.ssh/authorized_keys ~{DEPLOYER}/.ssh/authorized_keys"
            )
        lab.write_inventory(ansible_user=DEPLOYER)
        self.operator.done("deploy-workers")
        self.number = 0
        self.old = ""

    def new_release(self, *, pad: int = 0) -> None:
        """Have another release deployed from now on."""
        self.old = runs(self.host)
        self.number += 1
        self.operator.restore("service.py")
        self.operator.change("__init__.py", f"\n# {self.number}\n")
        self.operator.pad(pad)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Begin a deployment to the first host."""
        return self.operator.begin("deploy-workers", "--json", "--limit", self.host.name, *words)

    def deploy(self, *words: str) -> dict[str, Any]:
        """Deploy to the first host; return its result."""
        found = self.operator.report("deploy-workers", "--limit", self.host.name, *words)
        return dict(found["hosts"][self.host.name])

    def check_old(self) -> None:
        """Assert that the first host runs the old release, and is switched to it."""
        assert runs(self.host) == self.old
        assert self.host.root("basename $(readlink /opt/piswarm/current)").strip() == self.old

    def check_again(self) -> None:
        """Assert that the next deployment goes through, and that nothing of the first attempt is left."""
        result = self.deploy()
        assert result["outcome"] == "changed", result
        assert runs(self.host) == result["after"] != self.old
        assert self.host.root("ls -A /opt/piswarm/releases | grep -c '^[.]' || true").strip() == "0"
        assert self.host.root("ls /opt/piswarm/lock 2>/dev/null || true") == ""


def runs(host: LabHost) -> str:
    """Return the release that the host's agent runs in."""
    return host.root(RUNS).strip()


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the result of the only host of a deployment."""
    try:
        output, errors = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
    (result,) = report_of(output, errors)["hosts"].values()
    return dict(result)


@pytest.fixture(scope="module")
def fleet(lab_of: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(lab_of("bookworm-amd64", "trixie-amd64"), tmp_path_factory.mktemp("operator"))


@pytest.fixture
def slow(fleet: Fleet) -> Iterator[Fleet]:
    """The fleet, with a link to the first host as slow as a Wi-Fi's, so that an upload takes a while."""
    fleet.host.shape("24mbit")
    try:
        yield fleet
    finally:
        fleet.host.shape("")


def uploading(fleet: Fleet, deployment: subprocess.Popen[str]) -> None:
    """Wait until something is being unpacked on the first host."""
    wait_for(lambda: deployment.poll() is not None or fleet.host.root(PART, check=False), "an upload")
    assert deployment.poll() is None, deployment.communicate()


def test_a_host_that_loses_power_while_it_unpacks(slow: Fleet) -> None:
    """A host that loses power while it unpacks boots with the old release, and the next deployment goes through."""
    slow.new_release(pad=PAD_BYTES)
    deployment = slow.begin("--deadline", "60")
    uploading(slow, deployment)
    slow.host.power_off()
    result = ended(deployment)
    assert (result["outcome"], result["step"]) == ("failed", "upload")
    slow.host.power_on()
    slow.host.wait_up()
    slow.check_old()
    slow.host.shape("")
    slow.check_again()


@pytest.mark.parametrize(("deadline", "cause"), [("10", "timeout"), ("300", "connection lost")])
def test_a_link_that_is_cut_in_mid_upload(slow: Fleet, deadline: str, cause: str) -> None:
    """A link cut in mid-upload ends the deployment by the host's time limit or before, and the next one takes the lock back."""
    slow.new_release(pad=PAD_BYTES)
    deployment = slow.begin("--deadline", deadline)
    uploading(slow, deployment)
    slow.host.plug(into=False)
    try:
        result = ended(deployment)
    finally:
        slow.host.plug(into=True)
    assert (result["outcome"], result["step"], result["cause"]) == ("failed", "upload", cause), result
    slow.check_old()
    slow.host.shape("")
    slow.check_again()


def test_a_disk_that_fills_up_in_mid_upload(slow: Fleet) -> None:
    """A disk that fills up in mid-upload is reported while the old agent runs on; with room, the next deployment goes through."""
    slow.new_release(pad=PAD_BYTES)
    # A disk of its own, for this machine's is not to be filled. What is mounted over it stays as it is.
    room = "mount -t tmpfs -o size=900m,mode=755 room /opt/piswarm && chown {0} /opt/piswarm"
    slow.host.root(
        f"mkdir /srv/before && cp -a /opt/piswarm/. /srv/before/ && {room.format(DEPLOYER)}"
        " && cp -a /srv/before/. /opt/piswarm/ && rm -r /srv/before && systemctl restart piswarm-agent.service"
    )
    try:
        deployment = slow.begin()
        uploading(slow, deployment)
        slow.host.root("dd if=/dev/zero of=/opt/piswarm/filler bs=1M 2>/dev/null || true")
        result = ended(deployment)
        assert (result["outcome"], result["step"], result["cause"]) == ("failed", "upload", "disk full"), result
        slow.check_old()
        slow.host.root("rm /opt/piswarm/filler")
        slow.host.shape("")
        slow.check_again()
    finally:
        slow.host.root(
            "systemctl stop piswarm-agent.service; umount -l /opt/piswarm; systemctl start piswarm-agent.service"
        )


def test_a_host_that_reboots_between_switch_and_well(fleet: Fleet) -> None:
    """A host that reboots between switch and health check runs the new release, and the next deployment checks its health."""
    fleet.new_release()
    deployment = fleet.begin("--settle", "60")
    switched = (
        f"test $(basename $(readlink /opt/piswarm/current)) != {fleet.old} && test $({RUNS}) != {fleet.old} && echo yes"
    )
    wait_for(lambda: fleet.host.root(switched, check=False), "the switch")
    before = fleet.host.booted()
    # At once: a shutdown in order would stop the agent first, which the deployment may see, and bring the old release back.
    fleet.host.root("systemctl reboot --force --force", check=False)
    result = ended(deployment)
    assert (result["outcome"], result["step"]) == ("failed", "health check"), result
    wait_for(lambda: fleet.host.booted() not in ("", before), "the reboot")
    new = fleet.host.root("basename $(readlink /opt/piswarm/current)").strip()
    wait_for(lambda: runs_now(fleet.host) == new != fleet.old, "the agent of the new release")
    result = fleet.deploy()
    assert (result["outcome"], result["after"], result["bytes_sent"]) == ("changed", new, 0), result


def runs_now(host: LabHost) -> str:
    """Return the release that the host's agent runs in, empty while it runs none."""
    return host.root(RUNS, check=False).strip()


def test_rights_that_are_missing(fleet: Fleet) -> None:
    """Without sudo for the agent's user nothing is begun, and without the right to restart the host is rolled back."""
    fleet.new_release()
    fleet.host.root(f"cp -p {SUDOERS} /srv/rights")
    try:
        fleet.host.root(f"sed -i '/(piswarm)/d' {SUDOERS}")
        result = fleet.deploy()
        assert (result["step"], result["cause"], result["bytes_sent"]) == ("facts", "sudo refused", 0), result
        assert "fab provision" in result["hint"]
        fleet.check_old()
        fleet.host.root(f"cp -p /srv/rights {SUDOERS} && sed -i '/systemctl/d; /(root)/d' {SUDOERS} && visudo -qc")
        result = fleet.deploy()
        assert (result["step"], result["cause"]) == ("restart", "sudo refused"), result
        fleet.check_old()
    finally:
        fleet.host.root(f"cp -p /srv/rights {SUDOERS} && rm /srv/rights")
    fleet.check_again()


def test_a_release_whose_agent_crashes_at_start(fleet: Fleet) -> None:
    """A release whose agent crashes at its start is rolled back on the canary with its last output, and no other host gets it."""
    fleet.new_release()
    fleet.operator.change("service.py", "\n")
    source = (fleet.operator.directory / "worker/agent/service.py").read_text()
    crash = source.replace(
        'if __name__ == "__main__":', 'if __name__ == "__main__":\n    sys.exit("no such sensor")', 1
    )
    assert crash != source
    (fleet.operator.directory / "worker/agent/service.py").write_text(crash)
    other = runs(fleet.other)
    found = fleet.operator.report("deploy-workers", "--canaries", "1")["hosts"]
    result = found[fleet.host.name]
    assert (result["outcome"], result["cause"]) == ("failed", "unhealthy"), result
    assert "no such sensor" in result["message"]
    assert f"rolled back to {fleet.old}" in result["message"]
    assert found[fleet.other.name]["outcome"] == "not started"
    fleet.check_old()
    assert runs(fleet.other) == other
    fleet.operator.restore("service.py")
    fleet.check_again()
