"""Facts of hosts are parsed from a command's output, which a real shell makes."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from master.deploy.failures import Cause, HostFailure
from master.deploy.host import lock_owner
from master.deploy.host.facts import facts_command, parse_facts, parse_lock, parse_unit
from master.deploy.host.service import Layout, Program, Systemd, Unit

ROOT = Path(__file__).parents[3]
DATA = Path(__file__).parent / "hosts"


def facts(name: str):  # noqa: ANN201
    return parse_facts((DATA / f"{name}.txt").read_text())


def test_a_host_that_runs_a_release() -> None:
    """The facts of a host that runs a release hold all that its output says, in this project's units."""
    seen = facts("running")
    assert (seen.arch, seen.python, seen.root, seen.free_bytes) == ("aarch64", "3.13", "writable", 1 << 30)
    assert (seen.current, seen.previous) == ("00112233445566aa", "ffeeddccbbaa9988")
    assert (seen.started, seen.healthy) == ("00112233445566aa", "00112233445566aa")
    assert seen.releases == {"00112233445566aa": 1772323200, "ffeeddccbbaa9988": 1772236800}
    assert seen.incomplete == (".0123456789abcdef.77aa",)
    assert seen.public_key == "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
    assert seen.unit == Unit(
        is_loaded=True,
        state="active",
        restarts=2,
        active_s=86400.0,
        status_text="waiting for runs",
        command="/usr/bin/python3 -P -m worker.agent.service /etc/piswarm",
    )
    assert (seen.etc, len(seen.settings)) == ("writable", 64)
    assert str(seen.lock) == "held by ops at controller-1, process 812 since 2026-03-01 12:00:00 UTC; expires in 90 s"


def test_a_lock_from_before_a_reboot_is_nobodys() -> None:
    """A lock from before a reboot is nobody's, since whoever held it is not connected any more."""
    assert facts("after-reboot").lock is None


def test_hosts_with_nothing_on_them() -> None:
    """The facts of a host without releases show whether it was prepared."""
    bare, fresh = facts("bare"), facts("fresh")
    assert (bare.root, bare.etc, bare.unit.is_loaded) == ("missing", "missing", False)
    assert (fresh.root, fresh.unit.is_loaded, fresh.unit.is_active) == ("writable", True, False)
    assert (fresh.current, fresh.releases, fresh.lock, fresh.public_key, fresh.settings) == ("", {}, None, "", "")


@pytest.mark.parametrize("text", [(DATA / "cut.txt").read_text(), "", "bash: sh: command not found\n"])
def test_what_is_not_whole_is_refused(text: str) -> None:
    """Output that is not whole is refused, since a plan needs all facts."""
    with pytest.raises(HostFailure, match="not whole") as caught:
        parse_facts(text)
    assert caught.value.cause is Cause.COMMAND


@pytest.mark.parametrize(
    ("line", "value", "read"),
    [
        ("current=", "../../etc", ""),
        ("current=", "releases/../x", ""),
        ("started=", "x; rm -rf /", ""),
        ("public_key=", "short", ""),
        ("settings=", "5e88 -", ""),
        ("free_kib=", "lots", 0),
    ],
)
def test_a_host_that_lies_gets_nothing_done(line: str, value: str, read: object) -> None:
    """A value that is no name, key or number of the expected form counts as absent, so a hostile host has nothing done."""
    text = (DATA / "fresh.txt").read_text().replace("end=\n", "")
    text = "\n".join(old for old in text.splitlines() if not old.startswith(line)) + f"\n{line}{value}\nend=\n"
    seen = parse_facts(text)
    names = {
        "public_key=": seen.public_key,
        "started=": seen.started,
        "settings=": seen.settings,
        "free_kib=": seen.free_bytes,
    }
    assert names.get(line, seen.current) == read


def test_entries_that_are_no_names_are_left_out() -> None:
    """Entries that are no valid names are left out, since entries are removed by name."""
    text = (
        (DATA / "fresh.txt")
        .read_text()
        .replace("end=", "incomplete=a b\nincomplete=$(x)\nincomplete=-rf\nrelease=releases/zz/.complete 1\nend=")
    )
    assert parse_facts(text).incomplete == ("zz",)


def test_the_command_says_what_is_there(tmp_path: Path) -> None:
    """The command for facts, run by this machine's shell, prints what is in a directory laid out as on a node."""
    root = tmp_path / "a root"
    done = root / "releases" / "00112233445566aa"
    done.mkdir(parents=True)
    (done / ".complete").touch()
    (root / "releases" / ".0011223344556677.1").mkdir()
    (root / "current").symlink_to("releases/00112233445566aa")
    (root / "healthy").write_text("00112233445566aa\n")
    show = tmp_path / "show"
    show.write_text("#!/bin/sh\necho LoadState=loaded; echo ActiveState=active; echo NRestarts=0\n")
    show.chmod(0o755)
    etc = tmp_path / "its own"
    (etc / "keys").mkdir(parents=True)
    (etc / "keys/node.public").write_text("k" * 40 + "\n")
    (etc / "node.json").write_text("{}\n")
    command = facts_command(Layout(str(root), str(etc), ""), Program(str(show)))
    output = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    seen = parse_facts(output.stdout)
    assert output.stderr == ""
    assert (seen.root, seen.current, seen.healthy, seen.previous, seen.started) == (
        "writable", "00112233445566aa", "00112233445566aa", "", "",
    )  # fmt: skip
    assert list(seen.releases) == ["00112233445566aa"]
    assert seen.incomplete == (".0011223344556677.1",)
    assert (seen.etc, seen.public_key) == ("writable", "k" * 40)
    assert seen.settings == hashlib.sha256(b"{}\n").hexdigest()
    assert seen.free_bytes > 0
    assert seen.python
    assert seen.unit.is_healthy
    missing = subprocess.run(
        ["sh", "-c", facts_command(Layout(str(tmp_path / "none"), str(tmp_path / "none"), ""), Program(str(show)))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (parse_facts(missing.stdout).root, parse_facts(missing.stdout).etc) == ("missing", "missing")


def test_a_directory_of_somebody_whom_one_may_not_act_for(tmp_path: Path) -> None:
    """A directory of a user for whom sudo is refused is told from a directory that does not exist."""
    command = facts_command(Layout(str(tmp_path), str(tmp_path), "nobody-of-that-name"), Program("/bin/true"))
    output = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert parse_facts(output.stdout).etc == "refused"


def test_a_unit_that_nobody_knows() -> None:
    """A unit that systemd does not know, and a host without systemd, both count as no unit."""
    for text in ("uptime=1.0\nunit.LoadState=not-found\nunit.ActiveState=inactive\n", "unit.sh: not found\n"):
        assert str(parse_unit(text)) == "not there"


def test_a_unit_of_another_version() -> None:
    """A unit that starts another module than this version's agent is known by what it starts; where that is unknown, it is not."""
    assert facts("former-unit").unit.command == "/usr/bin/python3 -P -m worker.service /etc/piswarm"
    assert facts("former-unit").unit.starts_another_agent
    for name in ("running", "fresh", "bare"):
        assert not facts(name).unit.starts_another_agent
    template = (ROOT / "ansible/roles/worker/templates/piswarm-agent.service.j2").read_text()
    (command,) = [line.removeprefix("ExecStart=") for line in template.splitlines() if line.startswith("ExecStart=")]
    assert facts("running").unit.command == command


def test_who_holds_a_lock() -> None:
    """A lock's holder is shown with its name, machine, process and start, as the refusal prints it."""
    held = parse_lock("token=1\nholder=ops at c, process 1\nsince=noon\nby=a:b:c:d\n")
    assert (held.token, held.by, held.text) == ("1", "a:b:c:d", "held by ops at c, process 1 since noon")
    assert parse_lock("").text == "held by somebody since some time"


def test_whether_a_holder_is_over() -> None:
    """A lock's holder is over if its process has ended or is this one; another running process, or another machine's, is not."""
    assert lock_owner.is_over(lock_owner.process())
    with subprocess.Popen(["sleep", "60"]) as other:
        boot, namespace, *_ = lock_owner.process().split(":")
        by = f"{boot}:{namespace}:{other.pid}:{lock_owner._began(other.pid)}"
        assert not lock_owner.is_over(by)
        assert lock_owner.is_over(f"{boot}:{namespace}:{other.pid}:1")  # its number was another's before
        other.kill()
    assert lock_owner.is_over(by)
    for unknown in ("", "a:b", f"another:{namespace}:1:1", f"{boot}:another:1:1", f"{boot}:{namespace}:x:1"):
        assert not lock_owner.is_over(unknown)


def test_only_changing_the_unit_needs_sudo() -> None:
    """Only commands that change the unit use sudo, and without a password prompt, so a host that asks for one fails."""
    assert Systemd(sudo=True).control("restart") == "sudo -n systemctl restart piswarm-agent.service"
    assert Systemd(sudo=False).control("stop") == "systemctl stop piswarm-agent.service"
    assert "sudo" not in Systemd(sudo=True).show() + Systemd(sudo=True).logs(5)
