"""`fab` as an operator calls it: what it prints and asks, and its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ssh_hosts import HERE, Rack, rack_in, wait_for

from master.release.builder import build
from master.release.platforms import Platform
from master.release.wheels import BuildError
from master.trust.allowlist import load_allowlist

ROOT = Path(__file__).parents[3]


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rack]:
    rack = rack_in(tmp_path, monkeypatch)
    try:
        rack.add(2)
        yield rack
    finally:
        rack.close()


def fab(rack: Rack, task: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    where = ["--inventory", str(rack.inventory), "--state", str(rack.state.directory)]
    command = [sys.executable, "-m", "fabric", task, *words, *where]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_list_reads_well() -> None:
    """The list of fab's tasks has each with what it does."""
    done = subprocess.run(
        [sys.executable, "-m", "fabric", "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tasks = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert tasks == [
        "deploy-workers", "enroll", "logs", "provision", "remove-workers", "restart-workers", "revoke",
        "rollback-workers", "start-workers", "status", "stop-workers",
    ]  # fmt: skip


def test_enrolling_shows_fingerprints_and_asks(rack: Rack) -> None:
    """Enrolment shows fingerprints and asks, which counts as no without a terminal; enrolled keys are not shown or replaced."""
    asked = fab(rack, "enroll")
    assert asked.returncode == 2
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(rack.hosts[0].directory / "host_key.pub")], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[1] in asked.stdout
    assert "no terminal to ask on: Trust these 2 keys?" in asked.stderr
    assert not rack.state.known_hosts.exists()
    done = fab(rack, "enroll", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its node key comes with its first deployment" in done.stdout
    before = rack.state.known_hosts.read_text()
    again = fab(rack, "enroll")
    assert (again.returncode, "SHA256" in again.stdout) == (0, False)
    host = rack.hosts[0]
    host.stop()
    host.new_key()
    host.start()
    other = fab(rack, "enroll", "--yes")
    assert other.returncode == 1
    assert "shows another key than the one enrolled" in other.stdout
    assert rack.state.known_hosts.read_text() == before
    assert fab(rack, "revoke", "pi001").stdout == "pi001: host key removed\n"
    assert fab(rack, "enroll", "--yes").returncode == 0
    assert rack.state.known_hosts.read_text() != before


def test_two_hosts_with_one_key(rack: Rack) -> None:
    """A second host with the same host key, as from a copied SD card, is refused."""
    one, two = rack.hosts
    two.stop()
    (two.directory / "host_key").write_bytes((one.directory / "host_key").read_bytes())
    two.start()
    done = fab(rack, "enroll", "--yes", "--json")
    hosts = {result["host"]: result for result in json.loads(done.stdout)["hosts"]}
    assert done.returncode == 1
    assert hosts["pi001"]["outcome"] == "unchanged"
    assert hosts["pi002"]["message"] == "has the host key of pi001: a copied SD card?"
    assert str(two.port) not in rack.state.known_hosts.read_text()


def test_nodes_are_let_in_and_revoked(rack: Rack) -> None:
    """A node that was revoked is not connected to any more."""
    rack.enroll()
    assert rack.deploy("one").ok
    rack.state.allowlist.unlink()
    assert fab(rack, "enroll").returncode == 0
    assert sorted(load_allowlist(rack.state.allowlist).nodes) == ["pi001", "pi002"]
    assert fab(rack, "revoke", "pi002").stdout == "pi002: host key and node key removed\n"
    assert sorted(load_allowlist(rack.state.allowlist).nodes) == ["pi001"]
    done = fab(rack, "status")
    assert done.returncode == 1
    assert "pi002 failed at connect: host key: the key of 127.0.0.1 is not known yet" in done.stdout
    assert "do: look at its fingerprint, and enroll it: fab enroll --limit pi002" in done.stdout
    assert fab(rack, "revoke", "pi009").returncode == 2


def test_status_logs_and_removal(rack: Rack) -> None:
    """Status and logs are printed in words and as JSON, and a release is removed only after a question."""
    rack.enroll()
    bare = fab(rack, "status", "--json")
    assert bare.returncode == 1
    assert {result["cause"] for result in json.loads(bare.stdout)["hosts"]} == {"not prepared"}
    assert rack.deploy("one").ok
    seen = json.loads(fab(rack, "status", "--json").stdout)
    assert seen["schema"] == "piswarm/deploy/1"
    assert [result["after"] for result in seen["hosts"]] == [host.link() for host in rack.hosts]
    assert "pi002: up: one" in fab(rack, "logs", "--lines", "3").stdout
    assert fab(rack, "remove-workers").returncode == 2
    assert rack.hosts[0].runs() == "one"
    gone = fab(rack, "remove-workers", "--yes", "--limit", "pi001")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert [host.runs() for host in rack.hosts] == ["", "one"]
    assert sorted(load_allowlist(rack.state.allowlist).nodes) == ["pi002"]


def test_logs_that_are_followed(rack: Rack) -> None:
    """Followed logs show old and new lines of all hosts at once, and Ctrl-C ends them and leaves nothing on the hosts."""
    rack.enroll()
    assert rack.deploy("one").ok
    where = ["--inventory", str(rack.inventory), "--state", str(rack.state.directory)]
    command = [sys.executable, "-m", "fabric", "logs", "--follow", "--lines", "1", *where]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as followed:
        assert followed.stdout is not None
        assert {followed.stdout.readline() for _ in rack.hosts} == {"pi001: up: one\n", "pi002: up: one\n"}
        rack.hosts[1].service("restart")
        assert followed.stdout.readline() == "pi002: up: one\n"
        followed.send_signal(signal.SIGINT)
        rest, _ = followed.communicate(timeout=60)
        assert (followed.returncode, rest) == (0, "")
    for host in rack.hosts:
        wait_for(lambda host=host: not host.family("tail"), "the end of what was followed")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--limit", "nobody"), "nobody"),
        (("--budget", "some"), "neither a number of hosts nor a percentage"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(rack: Rack, words: tuple[str, ...], said: str) -> None:
    """Wrong input ends with status 2 before anything is done."""
    done = fab(rack, "deploy-workers", *words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.timeout(900)
def test_the_release_of_this_very_piswarm(rack: Rack, request: pytest.FixtureRequest) -> None:
    """The release of this piswarm is built, sent, imported and given keys by `fab deploy-workers`, which then finds
    nothing to do.
    """
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"):
        os.environ.pop(name, None)
    assert request.config.cache is not None
    cache = request.config.cache.mkdir("piswarm-releases")
    try:
        release = build(Platform(*HERE), ROOT / "requirements-node.lock", cache)
    except BuildError as error:
        pytest.skip(f"needs the package index once: {error.message.splitlines()[0]}")
    rack.enroll()
    rack.state.cache.symlink_to(cache)
    # No controller is there: the agent says hello for ever, which is healthy.
    first = fab(rack, "deploy-workers", "--json", "--limit", "pi001")
    (result,) = json.loads(first.stdout)["hosts"]
    host = rack.hosts[0]
    assert result["bytes_sent"] == release.archive_bytes, first.stderr
    assert first.returncode == 0, result
    assert release.name in host.releases()
    host.check_integrity()
    assert (host.etc / "keys" / "node.secret").stat().st_mode & 0o777 == 0o600
    assert (host.root / "releases" / release.name / "locust" / "__pycache__").is_dir()
