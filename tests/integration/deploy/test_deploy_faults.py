"""Faults while a fleet is deployed to, over real SSH, after each of which a host runs the old release or the new one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ssh_hosts import HERE, Rack, SshHost, rack_in, wait_for

from master.deploy.failures import Cause
from master.deploy.host.plan import Step
from master.deploy.host.steps import HealthCheck
from master.deploy.rollout.batches import Budget
from master.deploy.rollout.results import Outcome, RolloutReport
from master.release.platforms import Platform
from master.trust.known_hosts import HostKey, read_known_hosts

ANY = Budget(100, is_share=True)


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rack]:
    rack = rack_in(tmp_path, monkeypatch)
    try:
        rack.add(2)
        rack.enroll()
        yield rack
        for host in rack.hosts:
            host.check_integrity()
    finally:
        rack.close()


def by_host(report: RolloutReport) -> dict[str, tuple[Outcome, Cause | None, Step | None]]:
    return {result.host: (result.outcome, result.cause, result.step) for result in report.hosts}


@contextmanager
def meanwhile(action: Callable[[], object]) -> Iterator[None]:
    """Do `action` in another thread while the block runs, and raise what it raises."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001  # raised below
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failed:
        raise failed[0]


def part_of(host: SshHost) -> list[Path]:
    """Return the releases being unpacked, once some file is there."""
    return [path for path in (host.root / "releases").glob(".*") if any(path.rglob("*.*"))]


def test_a_host_that_is_down(rack: Rack) -> None:
    """A host that is down is named, and the others are deployed to only where the budget allows a failure."""
    rack.hosts[1].stop()
    strict = rack.deploy("one")
    assert by_host(strict)["pi001"] == (Outcome.SKIPPED, Cause.SKIPPED, None)
    assert strict.stopped == "1 hosts failed, where 0 may"
    assert rack.hosts[0].releases() == []
    lenient = rack.deploy("one", budget=ANY)
    assert by_host(lenient)["pi001"] == (Outcome.CHANGED, None, None)
    assert by_host(lenient)["pi002"] == (Outcome.FAILED, Cause.UNREACHABLE, Step.CONNECT)
    assert "is it on" in lenient.hosts[1].hint
    rack.hosts[1].start()
    assert [outcome for outcome, *_ in by_host(rack.deploy("one")).values()] == [Outcome.UNCHANGED, Outcome.CHANGED]


def test_a_host_with_another_key(rack: Rack) -> None:
    """A host with another key than the one enrolled, or that was never enrolled, is not talked to, and the message says
    what to do.
    """
    host = rack.hosts[0]
    host.stop()
    host.new_key()
    host.start()
    result = rack.deploy("one", limit="pi001").hosts[0]
    assert (result.cause, result.step) == (Cause.HOST_KEY, Step.CONNECT)
    assert "another key than the one enrolled: SHA256:" in result.message
    assert "fab revoke pi001" in result.hint
    rack.state.known_hosts.write_text("")
    result = rack.deploy("one", limit="pi001").hosts[0]
    assert (result.cause, result.hint) == (
        Cause.HOST_KEY,
        "look at its fingerprint, and enroll it: fab enroll --limit pi001",
    )
    assert host.releases() == []


def test_a_key_that_is_not_let_in(rack: Rack, tmp_path: Path) -> None:
    """A login key that a host refuses is told from a host that is down."""
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    rack.write_inventory(ansible_ssh_private_key_file=str(other))
    result = rack.deploy("one", limit="pi001").hosts[0]
    assert (result.cause, result.step) == (Cause.AUTH, Step.CONNECT)
    rack.write_inventory(ansible_ssh_private_key_file=str(tmp_path / "none"))
    result = rack.deploy("one", limit="pi001").hosts[0]
    assert (result.cause, "can't be read" in result.message) == (Cause.AUTH, True)


def test_a_connection_that_is_cut_in_mid_upload(rack: Rack) -> None:
    """A connection cut in mid-upload leaves the old release running, and the next deployment goes through and clears
    the rest away.
    """
    rack.deploy("one")
    rack.pad_bytes = 40_000_000
    rack.build("two", Platform(*HERE))
    host = rack.hosts[0]

    def cut() -> None:
        wait_for(lambda: part_of(host), "an upload")
        host.cut()

    with meanwhile(cut):
        report = rack.deploy("two", limit="pi001")
    assert by_host(report)["pi001"] == (Outcome.FAILED, Cause.CONNECTION_LOST, Step.UPLOAD)
    assert 0 < report.hosts[0].bytes_sent < 40_000_000
    assert host.runs() == "one"
    assert (host.root / "lock").exists()  # nobody could give it back; who took it knows that this is over
    assert rack.deploy("two", limit="pi001").ok
    assert host.runs() == "two"
    assert not [name for name in host.releases() if name.startswith(".")]


def test_an_unpacking_that_is_killed(rack: Rack) -> None:
    """An unpacking that is killed fails that step, and the next deployment goes through."""
    rack.deploy("one")
    rack.pad_bytes = 40_000_000
    host = rack.hosts[0]

    def kill() -> None:
        wait_for(lambda: part_of(host), "an upload")
        for process in wait_for(lambda: host.family("tar"), "tar"):
            process.kill()

    with meanwhile(kill):
        report = rack.deploy("two", limit="pi001")
    assert by_host(report)["pi001"] == (Outcome.FAILED, Cause.COMMAND, Step.UPLOAD)
    assert host.runs() == "one"
    assert rack.deploy("two", limit="pi001").ok
    assert host.runs() == "two"


def test_a_host_that_hangs(rack: Rack) -> None:
    """A host that hangs costs its time limit and no more, and is locked until what hangs has ended."""
    rack.deploy("one")
    rack.pad_bytes = 40_000_000
    rack.build("two", Platform(*HERE))
    host = rack.hosts[0]

    def hang() -> None:
        wait_for(lambda: part_of(host), "an upload")
        (tar,) = (one for one in wait_for(lambda: host.family("tar"), "tar") if one.ppid() in parents(host))
        tar.suspend()
        wait_for(lambda: host.family("flock"), "the one who gives back the lock")
        tar.resume()

    with meanwhile(hang):
        report = rack.deploy("two", limit="pi001", host_s=4)
    assert by_host(report)["pi001"] == (Outcome.FAILED, Cause.TIMEOUT, Step.UPLOAD)
    assert not (host.root / "lock").exists()
    assert host.runs() == "one"
    assert rack.deploy("two", limit="pi001").ok


def parents(host: SshHost) -> set[int]:
    return {process.pid for process in host.family("sh")}


def test_a_full_disk(rack: Rack) -> None:
    """A disk that fills up while a release is unpacked fails that step with a hint; a small file system stands for the disk."""
    host = rack.hosts[0]
    inside = host.root / "releases"
    inside.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(inside)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        rack.pad_bytes = 8_000_000
        result = rack.deploy("one", limit="pi001").hosts[0]
        assert (result.cause, result.step) == (Cause.DISK, Step.UPLOAD), result
        assert "Wrote only" in result.message or "No space left on device" in result.message
        assert result.hint.startswith("make room")
        assert host.link() == ""
    finally:
        subprocess.run(["umount", "-l", str(inside)], check=True)
    assert rack.deploy("one", limit="pi001").ok


def test_a_release_that_crashes_at_start(rack: Rack) -> None:
    """A release that crashes at its start is rolled back on the canary, and no other host gets it."""
    rack.deploy("one")
    report = rack.deploy("bad", "sys.exit('no such sensor')")
    assert by_host(report) == {
        "pi001": (Outcome.FAILED, Cause.UNHEALTHY, Step.HEALTH_CHECK),
        "pi002": (Outcome.SKIPPED, Cause.SKIPPED, None),
    }
    message = report.hosts[0].message
    assert "does not stay up" in message
    assert "it last said: no such sensor" in message
    assert f"rolled back to {rack.hosts[0].link()}" in message
    assert [host.runs() for host in rack.hosts] == ["one", "one"]
    assert all(result.outcome is Outcome.UNCHANGED for result in rack.deploy("one").hosts)


def test_a_first_release_that_crashes_at_start(rack: Rack) -> None:
    """A first release that crashes at its start is stopped, since there is none to roll back to."""
    report = rack.deploy("bad", "sys.exit(3)", limit="pi001")
    assert report.hosts[0].message.endswith("stopped, since there is no previous release")
    assert rack.hosts[0].link() == ""
    assert "ActiveState=inactive" in rack.hosts[0].service("show")


def test_a_release_whose_modules_do_not_import(rack: Rack) -> None:
    """A release whose modules do not import is never switched to."""
    rack.deploy("one")
    broken = rack.package("broken") / "extra.py"
    broken.write_text("import nothing_of_that_name\n")
    report = rack.deploy("broken")
    assert by_host(report)["pi001"] == (Outcome.FAILED, Cause.NOT_PREPARED, Step.VERIFY)
    assert "No module named 'nothing_of_that_name'" in report.hosts[0].message
    assert [host.runs() for host in rack.hosts] == ["one", "one"]


def start(rack: Rack, version: str, *, batch: int = 32, body: str = "") -> subprocess.Popen[str]:
    """Start a deployment by another controller."""
    program = Path(__file__).parent / "deploy_process.py"
    words = [sys.executable, str(program), str(rack.directory), version, str(batch), json.dumps(body)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_deployments_at_once(rack: Rack) -> None:
    """Of two deployments at once one goes through, and the other names who holds the host and succeeds afterwards."""
    rack.deploy("one")
    rack.pad_bytes = 40_000_000
    for version in ("two", "three"):
        rack.build(version, Platform(*HERE))
    first = start(rack, "two")
    try:
        wait_for(lambda: part_of(rack.hosts[0]), "the first deployment's upload")
        second = rack.deploy("three", limit="pi001")
        output, errors = first.communicate(timeout=100)
    finally:
        first.kill()
    assert by_host(second)["pi001"] == (Outcome.FAILED, Cause.LOCKED, Step.LOCK)
    assert f"process {first.pid} since 20" in second.hosts[0].message
    assert first.returncode == 0, output + errors
    assert [host.runs() for host in rack.hosts] == ["two", "two"]
    assert rack.deploy("three").ok


def test_a_controller_that_is_interrupted_in_mid_batch(rack: Rack) -> None:
    """When a controller is interrupted in mid-batch, its hosts keep the old release, and the next deployment does what is left."""
    rack.deploy("one")
    rack.pad_bytes = 40_000_000
    rack.build("two", Platform(*HERE))
    controller = start(rack, "two")
    try:
        wait_for(lambda: part_of(rack.hosts[0]), "an upload")
        controller.send_signal(signal.SIGINT)
        output, errors = controller.communicate(timeout=100)
    finally:
        controller.kill()
    assert controller.returncode == 1, errors
    hosts = {result["host"]: result for result in json.loads(output)["hosts"]}
    assert hosts["pi001"]["cause"] == "interrupted", hosts
    assert hosts["pi002"]["outcome"] == "not started", hosts
    assert [host.runs() for host in rack.hosts] == ["one", "one"]
    assert not (rack.hosts[0].root / "lock").exists()
    assert rack.deploy("two").ok
    assert [host.runs() for host in rack.hosts] == ["two", "two"]


def test_a_controller_that_is_killed_between_switch_and_well(rack: Rack) -> None:
    """After a controller is killed between switch and health check, the next deployment checks the new release and
    rolls it back.
    """
    rack.deploy("one")
    old = rack.hosts[0].link()
    body = "time.sleep(0.3); sys.exit('no such sensor')"
    controller = start(rack, "bad", body=body)
    try:
        wait_for(lambda: rack.hosts[0].link() != old, "the switch")
    finally:
        controller.kill()
        controller.communicate()
    report = rack.deploy("bad", body, limit="pi001")
    assert by_host(report)["pi001"][:2] == (Outcome.FAILED, Cause.UNHEALTHY)
    assert f"rolled back to {old}" in report.hosts[0].message
    assert rack.hosts[0].runs() == "one"


def test_a_lock_whose_time_is_over_is_nobodys(rack: Rack) -> None:
    """A lock that is past its time or from before a reboot is ignored, and a valid one is respected."""
    lock = rack.hosts[0].root / "lock"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    words = "token=1\nholder=somebody\nsince=yesterday\n"
    lock.write_text(f"{words}boot={boot}\nuntil={now + 60}\n")
    result = rack.deploy("one", limit="pi001").hosts[0]
    assert (result.cause, result.message) == (Cause.LOCKED, "held by somebody since yesterday")
    lock.write_text(f"{words}boot={boot}\nuntil={now - 1}\n")
    assert rack.deploy("one", limit="pi001").ok
    lock.write_text(f"{words}boot=another\nuntil={now + 60}\n")
    assert rack.deploy("two", limit="pi001").ok


def test_an_agent_that_never_comes_up(rack: Rack) -> None:
    """An agent that is not healthy within the time limit fails the health check."""
    rack.deploy("one")
    report = rack.deploy("two", limit="pi001", health_check=HealthCheck(60, 1))
    assert by_host(report)["pi001"] == (Outcome.FAILED, Cause.UNHEALTHY, Step.HEALTH_CHECK)
    assert "still active after 1 s" in report.hosts[0].message


def test_half_the_fleet_is_unreachable(rack: Rack) -> None:
    """No release is sent when more hosts are unreachable than may fail."""
    rack.add(2)
    rack.enroll()
    for host in rack.hosts[2:]:
        host.stop()
    report = rack.deploy("one", budget=Budget(25, is_share=True))
    assert report.stopped == "2 hosts failed, where 1 may"
    assert [result.outcome for result in report.hosts] == [Outcome.SKIPPED] * 2 + [Outcome.FAILED] * 2
    assert not any(host.releases() for host in rack.hosts)


def test_a_host_key_is_checked_by_its_port_too(rack: Rack) -> None:
    """A host key is checked for its port too, so that it is not good for another host on the same address."""
    known = read_known_hosts(rack.state.known_hosts)
    keys = [known.at(f"[127.0.0.1]:{host.port}") for host in rack.hosts]
    assert all(isinstance(key, HostKey) for key in keys)
    swapped = {f"[127.0.0.1]:{host.port}": key for host, key in zip(rack.hosts, reversed(keys), strict=True) if key}
    known.changed(swapped).write()
    report = rack.deploy("one", budget=ANY)
    assert {result.cause for result in report.hosts} == {Cause.HOST_KEY}
