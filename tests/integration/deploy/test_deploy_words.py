"""A wrong command line of `fab` ends with exit status 2 and one message, whoever finds it, and no host is reached."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def fab(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `fab` with an inventory of one host that nobody answers for."""
    inventory = tmp_path / "fleet.yml"
    inventory.write_text("workers: {hosts: {pi1: {ansible_host: 192.0.2.1}}, vars: {piswarm_controller: 192.0.2.2}}\n")
    where = ["--inventory", str(inventory), "--state", str(tmp_path / "state")] if words[0] in TAKES_WHERE else []
    return subprocess.run(
        [sys.executable, "-m", "master.deploy.fab", *words, *where],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


TAKES_WHERE = ("status", "deploy-workers", "remove-workers", "logs")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("status", "--pool", "abc"), "no whole number: 'abc'"),
        (("status", "--deadline", "1e9"), "no whole number: '1e9'"),
        (("status", "--pool", "9" * 5000), "no whole number"),
        (("status", "--pool", "0"), "--pool: 0 is not between"),
        (("status", "--connect", "-1"), "--connect: -1 is not between"),
        (("status", "--deadline", "9" * 30), "--deadline: 999"),
        (("deploy-workers", "--batch", "0"), "--batch: 0 is not between"),
        (("logs", "--lines", "0"), "--lines: 0 is not between"),
        (("status", "--nosuch"), "'--nosuch'"),
        (("nosuch",), "'nosuch'"),
        (("--pool", "abc"), "'--pool'"),
        (("revoke",), "'node'"),
        (("--command-timeout", "abc", "status"), "no whole number: 'abc'"),
        (("-t", "1.5", "status"), "no whole number: '1.5'"),
        (("status", "--command-timeout", "abc"), "no whole number: 'abc'"),
        (("--command-timeout",), "command-timeout"),
        (("--nosuch", "status"), "'--nosuch'"),
        (("--collection", "nosuch", "status"), "'nosuch'"),
        (("--search-root", "/nosuch", "status"), "'fabfile'"),
        (("--config", "/dev/null", "status"), "/dev/null"),
        (("--list", "--list-format", "nosuch"), "list_nosuch"),
        (("--help", "nosuch"), "'nosuch'"),
        (("--ssh-config", "/nosuch", "status"), "/nosuch"),
        (("remove-workers", "--yes", "--limit", ","), "empty term"),
        (("remove-workers", "--yes", "--limit", ""), "is empty"),
        (("remove-workers", "--yes", "--limit", "pi1:&"), "names nothing"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_message(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = fab(tmp_path, *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert (done.stdout, done.stderr.count("error: "), "Traceback" in done.stderr) == ("", 1, False)
    assert says in done.stderr


def test_a_state_directory_that_can_not_be_is_wrong_input(tmp_path: Path) -> None:
    """A state directory that can't exist, as one below a file, is wrong input without a traceback."""
    (tmp_path / "state").write_text("a file\n")
    done = fab(tmp_path, "deploy-workers")
    assert (done.returncode, done.stderr.count("error: "), "Traceback" in done.stderr) == (2, 1, False), done.stderr


def test_a_fault_that_nobody_foresaw_says_that_it_is_one(tmp_path: Path) -> None:
    """An unforeseen fault, in a task or outside of one, ends with status 1 and what is needed to report it."""
    for broken in ("master.deploy.command.read_inventory", "fabric.main.Fab.execute"):
        program = f"""
import sys
from unittest.mock import patch
from master.deploy.fab import main
sys.argv = ["fab", "status", "--inventory", "x.yml", "--state", {str(tmp_path)!r}]
with patch({broken!r}, side_effect=ZeroDivisionError("for once")):
    main()
"""
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr.count("error: ")) == (1, "", 1), done.stderr
        assert "error: a fault of piswarm's own: ZeroDivisionError: for once\n" in done.stderr
        assert "Traceback" in done.stderr
