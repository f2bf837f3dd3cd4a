"""A small agent is deployed to hosts over real SSH: what is done, what is left alone, and rollback."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from ssh_hosts import HERE, Rack, SshHost, rack_in

from master.deploy.failures import Cause
from master.deploy.host.plan import Step
from master.deploy.host.steps import HealthCheck
from master.deploy.rollout import actions
from master.deploy.rollout.results import Outcome, RolloutReport
from master.errors import InputError
from master.release.platforms import Platform
from master.trust.allowlist import load_allowlist
from master.trust.state import controller_keys

HEALTH_CHECK = HealthCheck(0.4, 15)
TAG = sys.implementation.cache_tag


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rack]:
    rack = rack_in(tmp_path, monkeypatch)
    try:
        rack.add(2)
        rack.enroll()
        yield rack
    finally:
        rack.close()


def outcomes(report: RolloutReport) -> list[Outcome]:
    return [result.outcome for result in report.hosts]


def test_a_first_deployment_and_a_second_that_finds_nothing_to_do(rack: Rack) -> None:
    """A first deployment brings the release to new hosts and lets them in, and a second one sends no byte."""
    first = rack.deploy("one")
    assert outcomes(first) == [Outcome.CHANGED] * 2, first
    assert all(result.bytes_sent > 1000 for result in first.hosts)
    for host in rack.hosts:
        host.check_integrity()
        assert host.runs() == "one"
        assert not (host.root / "lock").exists()
        assert (host.root / "releases" / host.link() / "worker/__pycache__").is_dir()
        assert (host.etc / "keys").stat().st_mode & 0o777 == 0o700
    keys = [(host.etc / "keys/node.public").read_text().strip() for host in rack.hosts]
    assert load_allowlist(rack.state.allowlist).nodes == dict(zip(("pi001", "pi002"), keys, strict=True))
    assert rack.state.allowlist.stat().st_mode & 0o777 == 0o600
    again = rack.deploy("one")
    assert outcomes(again) == [Outcome.UNCHANGED] * 2
    assert sum(result.bytes_sent for result in again.hosts) == 0


def test_a_dry_run_changes_nothing_and_says_what_would_be(rack: Rack) -> None:
    """A dry run says what would change and changes nothing, without even a lock or a directory."""
    before = sorted(str(path) for host in rack.hosts for path in host.root.rglob("*"))
    report = rack.deploy("one", dry_run=True)
    assert outcomes(report) == [Outcome.DIFFERS] * 2
    assert report.hosts[0].differs == "release is not there, node has no key, settings differ, runs another release"
    after = sorted(str(path) for host in rack.hosts for path in host.root.rglob("*") if "service" not in path.parts)
    assert after == [path for path in before if "/service/" not in path]
    assert not rack.state.allowlist.exists()
    assert not rack.state.controller.exists()


def test_settings_of_a_node_that_change(rack: Rack) -> None:
    """Changed settings of a node are written and its agent restarted, without sending a release or changing other nodes."""
    rack.deploy("one")
    host = rack.hosts[0]
    told = msgspec.json.decode((host.etc / "node.json").read_bytes())
    keys = controller_keys(rack.state.directory)
    assert told == {"node": "pi001", "controller": {"address": "tcp://127.0.0.1:5557", "public_key": keys.public}}
    assert keys.secret not in (host.etc / "node.json").read_text()
    rack.write_inventory(piswarm_controller="[::1]:6000")
    before = pid_of(host)
    report = rack.deploy("one", limit="pi001")
    assert (report.hosts[0].outcome, report.hosts[0].bytes_sent) == (Outcome.CHANGED, 0)
    assert report.hosts[0].differs.startswith("settings differ")
    assert "tcp://[::1]:6000" in (host.etc / "node.json").read_text()
    assert pid_of(host) != before
    assert rack.deploy("one", limit="pi001").hosts[0].outcome is Outcome.UNCHANGED


def test_settings_with_which_an_agent_is_not_well(rack: Rack) -> None:
    """Settings with which an agent is not healthy are rolled back, also those written by a deployment that was cut off."""
    picky = "if '6000' in open(sys.argv[1] + '/node.json').read(): sys.exit('no such controller')"
    rack.deploy("one", picky)
    host = rack.hosts[0]
    good = (host.etc / "node.json").read_bytes()
    rack.write_inventory(piswarm_controller="[::1]:6000")
    for meanwhile in ("nothing", "cut off"):
        report = rack.deploy("one", picky, limit="pi001")
        assert report.hosts[0].cause is Cause.UNHEALTHY
        assert "no such controller" in report.hosts[0].message
        assert report.hosts[0].message.endswith(f"rolled back to {host.link()}")
        assert (host.etc / "node.json").read_bytes() == good
        assert host.runs() == "one"
        if meanwhile == "nothing":
            bad = good.replace(b"127.0.0.1:5557", b"[::1]:6000")
            (host.root / "settings-unverified").touch()
            (host.root / "started").unlink()
            (host.etc / "node.json").write_bytes(bad)
    rack.write_inventory(piswarm_controller="127.0.0.1:5558")
    assert rack.deploy("one", picky, limit="pi001").ok
    assert not (host.root / "settings-unverified").exists()
    assert rack.deploy("two", "sys.exit(3)", limit="pi001").hosts[0].cause is Cause.UNHEALTHY
    assert b"5558" in (host.etc / "node.json").read_bytes()


def pid_of(host: SshHost) -> str:
    return next(line for line in host.service("show").splitlines() if line.startswith("MainPID="))


def test_settings_that_were_written_but_not_taken_up(rack: Rack) -> None:
    """An agent is restarted for settings that a deployment wrote and was cut off before the restart."""
    rack.deploy("one")
    host = rack.hosts[0]
    before = pid_of(host)
    (host.root / "started").unlink()
    assert rack.deploy("one", limit="pi001").hosts[0].outcome is Outcome.CHANGED
    assert pid_of(host) != before


def test_hosts_that_can_not_reach_the_controller(rack: Rack) -> None:
    """Hosts without the controller's address are refused before anything is done, with the name of the variable."""
    rack.write_inventory(piswarm_controller=None)
    for dry_run in (False, True):
        with pytest.raises(InputError, match="piswarm_controller") as caught:
            rack.deploy("one", dry_run=dry_run)
        assert "pi001" in caught.value.message
    assert not rack.hosts[0].releases()


def test_an_upgrade_and_back_again(rack: Rack) -> None:
    """An upgrade keeps three releases, and going back sends nothing."""
    for version in ("one", "two", "three", "four"):
        assert rack.deploy(version, limit="pi001").ok
    host = rack.hosts[0]
    assert host.runs() == "four"
    assert len(host.releases()) == 3
    assert host.link("previous") in host.releases()
    (back,) = rack.each(actions.rollback(HEALTH_CHECK), limit="pi001")
    assert (back.outcome, back.bytes_sent) == (Outcome.CHANGED, 0)
    assert host.runs() == "three"
    (seen,) = rack.each(actions.status, limit="pi001")
    assert seen.ok, seen
    assert seen.differs.startswith("agent active")
    assert seen.differs.endswith("up: three")


def test_an_upgrade_sends_what_differs(rack: Rack) -> None:
    """An upgrade sends what differs and links the rest from the release on the host, byte code too; without one all is sent."""
    common = random.Random(1).randbytes(20_000)
    for version in ("one", "two"):
        (rack.package(version) / "data.bin").write_bytes(common)
    rack.deploy("one", limit="pi001")
    report = rack.deploy("two")
    small, whole = report.hosts
    assert outcomes(report) == [Outcome.CHANGED] * 2
    assert 0 < small.bytes_sent < 0.25 * whole.bytes_sent
    host = rack.hosts[0]
    host.check_integrity()
    assert host.runs() == "two"
    old, new = (host.root / "releases" / host.link(link) for link in ("previous", "current"))
    for path in ("pure/__init__.py", "worker/agent/keys.py", f"worker/agent/__pycache__/keys.{TAG}.pyc"):
        assert (new / path).stat().st_ino == (old / path).stat().st_ino
    assert (new / "worker/agent/service.py").read_text() != (old / "worker/agent/service.py").read_text()
    listed = [
        sorted(path.relative_to(each.root / "releases" / each.link()) for path in files_of(each)) for each in rack.hosts
    ]
    assert listed[0] == listed[1]


def files_of(host: SshHost) -> list[Path]:
    return [path for path in (host.root / "releases" / host.link()).rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["changed", "missing", "byte code", "manifest"])
def test_an_upgrade_where_the_release_that_is_there_is_not_what_it_was(rack: Rack, damage: str) -> None:
    """An upgrade from a damaged release is made of all that is sent, and the new release is whole."""
    rack.deploy("one", limit="pi001")
    host = rack.hosts[0]
    old = host.root / "releases" / host.link()
    match damage:
        case "changed":
            (old / "pure/__init__.py").write_text("x = 2\n")
        case "missing":
            (old / "pure/__init__.py").unlink()
        case "byte code":
            code = old / f"worker/agent/__pycache__/keys.{TAG}.pyc"
            code.write_bytes(code.read_bytes()[:16] + b"garbage")
        case "manifest":
            (old / ".release/manifest.json").write_text("{}")
    report = rack.deploy("two", limit="pi001")
    assert report.ok, report
    host.check_integrity()
    assert host.runs() == "two"
    assert report.hosts[0].bytes_sent > rack.build("two", Platform(*HERE)).archive_bytes


def test_a_host_without_a_previous_release_can_not_roll_back(rack: Rack) -> None:
    """A rollback on a host without a previous release fails and changes nothing."""
    rack.deploy("one", limit="pi001")
    (back,) = rack.each(actions.rollback(HEALTH_CHECK), limit="pi001")
    assert (back.outcome, back.message) == (Outcome.FAILED, "there is no previous release")
    assert rack.hosts[0].runs() == "one"


def test_stop_start_and_restart(rack: Rack) -> None:
    """Agents are stopped, started and restarted, and a deployment starts an agent that was stopped."""
    rack.deploy("one")
    for verb, runs in (("stop", ""), ("start", "one"), ("restart", "one"), ("stop", "")):
        results = rack.each(actions.control(verb, HEALTH_CHECK))
        assert [result.outcome for result in results] == [Outcome.CHANGED] * 2, results
        assert [host.runs() for host in rack.hosts] == [runs] * 2
    assert [result.outcome for result in rack.each(actions.control("stop", HEALTH_CHECK))] == [Outcome.UNCHANGED] * 2
    assert [result.ok for result in rack.each(actions.status)] == [False] * 2
    report = rack.deploy("one")
    assert outcomes(report) == [Outcome.CHANGED] * 2
    assert sum(result.bytes_sent for result in report.hosts) == 0
    assert [host.runs() for host in rack.hosts] == ["one"] * 2


def test_removal_leaves_what_the_playbook_made_and_no_more(rack: Rack) -> None:
    """Removal leaves only what the playbook made, and a node key made anew afterwards is not allowed unasked."""
    before = sorted(path.name for path in rack.hosts[0].root.iterdir())
    rack.deploy("one")
    said: dict[str, str] = {}
    rack.each(actions.logs(3, said.__setitem__))
    assert [text.splitlines()[-1] for text in said.values()] == ["up: one", "up: one"]
    assert all(result.outcome is Outcome.CHANGED for result in rack.each(actions.remove()))
    for host in rack.hosts:
        assert sorted(path.name for path in host.root.iterdir()) == sorted({*before, "service"})
        assert list(host.etc.iterdir()) == []
        assert host.runs() == ""
    assert [result.outcome for result in rack.each(actions.remove())] == [Outcome.UNCHANGED] * 2
    refused = rack.deploy("one", limit="pi001").hosts[0]
    assert (refused.cause, refused.step) == (Cause.HOST_KEY, Step.KEYS)
    assert "fab revoke pi001" in refused.hint
    assert rack.hosts[0].link() == ""
