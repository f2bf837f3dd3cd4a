"""`piswarm audit` as an operator calls it: what it refuses, what it writes, and its exit status."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from audits import PASSWORD, piswarm_audit, weak_target
from processes import ROOT, Target
from sarif_kit.validate import validation_errors

from master.cli import main

PAGE = ROOT / "docs/operator/audit.md"
FAST = ("--private", "--rate", "500")


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The whole command with the arguments that it is given, in this process: to start one takes longer than most audits."""
    monkeypatch.setenv("PISWARM_TARGET_PASSWORD", PASSWORD)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["piswarm", "audit", *arguments])
        try:
            status = main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, status, printed.out, printed.err)

    return run


@pytest.fixture(scope="module")
def embedded() -> Iterator[Target]:
    with Target(PISWARM_TARGET_PASSWORD=PASSWORD) as target:
        yield target


@contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what arrived there."""
    arrived: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                arrived.append(b"connected")
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], arrived
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say that it is yours"),
        (("--private", "--only", "csfr"), "did you mean 'csrf'"),
        (("--private", "--only", "xss", "--skip", "xss"), "leave no check"),
        (("--private", "--account", "admin"), "not ROLE=NAME"),
        (("--private", "--account", "a=b", "--account", "a=b"), "named twice"),
        (("--private", "--account", "a=b", "--account", "a=c", "--account", "a=d"), "three accounts"),
        (("--private", "--json", "/no/such/folder/a.json"), "can't be written"),
        (("--private", "--requirements", "/no/such/lock"), "no such file"),
        (("--private", "--description", "openapi.json"), "not a path"),
        (("--private", "--proof", "/no/such/folder/token"), "exclude each other"),
        (("--proof", "/no/such/folder/token"), "can't write a token"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_sent(
    command: Command, arguments: tuple[str, ...], said: str
) -> None:
    """Wrong input ends with 2 and one message, and not even a connection is made."""
    with listener() as (port, arrived):
        ended = command(f"http://127.0.0.1:{port}", *arguments)
    assert (ended.returncode, arrived, ended.stdout) == (2, [], "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [(), ("--private",)])
def test_a_public_address_without_proof_is_refused(command: Command, arguments: tuple[str, ...]) -> None:
    """A public address without proof ends with 2. It is one of those that documents use and nobody has (RFC 5737)."""
    ended = command("http://203.0.113.7", *arguments)
    assert ended.returncode == 2
    assert "a public address: its ownership must be proved" in ended.stderr
    assert "Nothing was sent" in ended.stderr


def test_the_proof_is_made_served_and_believed(command: Command, tmp_path: Path) -> None:
    """The first call makes the token, the next one is refused by one request, the last finds the proof served."""
    token, served = tmp_path / "token", tmp_path / "served"
    served.write_text("nothing yet\n")
    with weak_target("proof", str(served)) as url:
        first = command(url, "--proof", str(token), "--only", "cors")
        second = command(url, "--proof", str(token), "--only", "cors")
        served.write_text(second.stderr.strip().splitlines()[-1] + "\n")
        third = command(url, "--proof", str(token), "--only", "cors")
    assert (first.returncode, second.returncode, third.returncode) == (2, 2, 0)
    assert "a new token was written" in first.stderr
    assert "does not prove that the target is yours" in second.stderr
    assert token.read_text().strip() not in first.stderr + second.stderr + third.stderr


COMMANDS = re.findall(r"^\.venv/bin/piswarm audit (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
SAID = {
    "--rate": (0, "stdout", "0 findings; 15 of 15 checks passed (100%), 2 not run or not ended"),
    "--proof": (2, "stderr", "a new token was written into it"),
    "--create": (0, "stderr", "Authorization (RBAC): passed, "),
    "--json": (0, "stdout", "0 findings; "),
}
"""Exit status and words of each command of the page, by the option that it is there for."""


def test_the_page_shows_what_is_expected_here() -> None:
    """Each command of the page is among those whose end is known."""
    assert [[option for option in SAID if option in command.split()][-1] for command in COMMANDS] == list(SAID)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_does_what_the_page_says(tmp_path: Path, command: str) -> None:
    """Each command of docs/operator/audit.md runs on an embedded target of its own: it finds nothing, and writes its files."""
    options = shlex.split(command)
    status, stream, said = SAID[next(option for option in reversed(SAID) if option in options)]
    with Target(PISWARM_TARGET_PASSWORD=PASSWORD) as target:
        ended = piswarm_audit(
            *[option.replace("http://127.0.0.1:8080", target.url) for option in options], cwd=tmp_path
        )
    assert ended.returncode == status, ended.stderr
    assert said in getattr(ended, stream)
    if "--json" in options:
        assert ended.stderr.count("/17] ") == 17
        check_files(tmp_path)


def check_files(directory: Path) -> None:
    """All four kinds of files say that nothing was found, and none has the password."""
    files = {file.suffix: file for file in directory.iterdir()}
    assert set(files) == {".json", ".html", ".sarif", ".xml"}
    document = json.loads(files[".json"].read_bytes())
    assert (document["schema"], document["pass_rate"]) == ("piswarm/audit/1", 1.0)
    assert len(document["checks"]) == 17
    html = files[".html"].read_text()
    assert "<dt>Checks passed</dt><dd>100 %</dd>" in html
    assert "<h2>Findings</h2>\n\n<p>None.</p>" in html
    sarif = json.loads(files[".sarif"].read_bytes())
    assert (validation_errors(sarif), sarif["runs"][0]["results"]) == ([], [])
    assert ET.parse(files[".xml"]).getroot().get("failures") == "0"
    assert not [file for file in files.values() if PASSWORD in file.read_text()]


def test_a_finding_fails_by_its_severity(command: Command, tmp_path: Path) -> None:
    """A high finding gives status 1, and 0 where only critical ones are to fail; it is in every file."""
    sarif, junit = tmp_path / "audit.sarif", tmp_path / "audit.xml"
    with weak_target("cors") as url:
        failed = command(url, *FAST, "--only", "cors", "--sarif", str(sarif), "--junit", str(junit))
        passed = command(url, *FAST, "--only", "cors", "--fail-on", "critical")
    assert (failed.returncode, passed.returncode) == (1, 0)
    assert "HIGH cors/foreign-origin-with-credentials" in failed.stdout
    (found,) = json.loads(sarif.read_bytes())["runs"][0]["results"]
    assert (found["ruleId"], found["level"]) == ("cors/foreign-origin-with-credentials", "error")
    case = ET.parse(junit).getroot().find("./testsuite/testcase")
    assert case is not None
    assert case.find("failure") is not None


def test_a_check_that_could_not_end_is_no_pass(command: Command, embedded: Target) -> None:
    """With too few requests allowed the status is 3, and the limit is named."""
    ended = command(embedded.url, *FAST, "--only", "authentication", "--max-requests", "10")
    assert ended.returncode == 3
    assert "incomplete (the limit of 10 requests is reached (--max-requests))" in ended.stderr


def test_a_target_that_is_not_there_aborts(command: Command) -> None:
    """A port where nobody listens gives status 4."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ended = command(f"http://127.0.0.1:{port}", "--private")
    assert ended.returncode == 4
    assert "can't be audited" in ended.stderr


def test_without_the_password_what_needs_accounts_is_not_run(
    command: Command, embedded: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the accounts' password the checks that need one say so, and the rest is done."""
    monkeypatch.delenv("PISWARM_TARGET_PASSWORD")
    ended = command(embedded.url, *FAST, "--only", "csrf", "--only", "rate-limiting")
    assert ended.returncode == 0
    assert "CSRF: not run (no account is signed in" in ended.stderr
    assert "Rate limiting: passed" in ended.stderr


def test_files_that_could_not_all_be_written_are_refused_before_anything_is_sent(
    command: Command, tmp_path: Path
) -> None:
    """One that is named for two formats, and a pipe, as /dev/stdout may be one, which a file would take the place of."""
    pipe, file = tmp_path / "pipe", str(tmp_path / "audit")
    os.mkfifo(pipe)
    with listener() as (port, arrived):
        twice = command(f"http://127.0.0.1:{port}", *FAST, "--json", file, "--html", file)
        onto_pipe = command(f"http://127.0.0.1:{port}", *FAST, "--json", str(pipe))
    assert (twice.returncode, onto_pipe.returncode, arrived) == (2, 2, [])
    assert "is named twice" in twice.stderr
    assert "would be replaced" in onto_pipe.stderr
    assert pipe.is_fifo()


def test_a_file_that_can_not_be_written_takes_nothing_else_with_it(
    command: Command, embedded: Target, tmp_path: Path
) -> None:
    """Its name is longer than the system takes, which only writing tells: the summary is printed, and the other file is there."""
    page = tmp_path / "audit.html"
    ended = command(embedded.url, *FAST, "--only", "cors", "--json", str(tmp_path / ("a" * 250)), "--html", str(page))
    assert ended.returncode == 2
    assert "1 of 1 checks passed" in ended.stdout
    assert "can't be written: File name too long" in ended.stderr
    assert "CORS" in page.read_text()
