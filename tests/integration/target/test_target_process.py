"""The target as a process: how it starts, what it says, how it ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import ROOT, TARGET, Target

from master.target.__main__ import main


def test_it_says_when_it_is_ready_and_ends_when_stdin_closes() -> None:
    target = Target()
    assert target.ready == {"ready": True, "url": f"http://127.0.0.1:{target.port}"}
    health = target.ask("GET", "/health")
    assert health.status == 200
    assert health.json["status"] == "ok"
    assert health.json["uptime_s"] >= 0
    target.process.stdin.close()
    assert target.process.stdout.read() == b""
    assert target.end() == 0


def test_it_does_not_outlive_a_parent_that_is_killed() -> None:
    """The parent is a process of its own that holds the pipe; the target's stdout ends when the target does."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys\nchild = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\nchild.wait()",
            *TARGET,
            "--until-stdin-closes",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with parent, parent.stdout:
        assert json.loads(parent.stdout.readline())["ready"]
        parent.kill()
        assert parent.stdout.read() == b""  # returns once nobody is left to write


def test_one_that_outlives_its_parent_ends_for_the_next_which_needs_its_port() -> None:
    """As long as its parent lives, the same signal does nothing."""
    target = Target("--outlive=60")
    target.process.send_signal(signal.SIGUSR1)
    time.sleep(0.5)  # there is nothing to wait for: it is to go on
    assert target.ask("GET", "/health").status == 200
    target.process.stdin.close()
    deadline_s = time.monotonic() + 20
    while target.process.poll() is None and time.monotonic() < deadline_s:
        target.process.send_signal(signal.SIGUSR1)  # again and again, as a controller does: it may not have noticed yet
        time.sleep(0.1)
    assert target.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_it_in_order_even_with_a_connection_open(number: signal.Signals, tmp_path: Path) -> None:
    target = Target(TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir())
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=20)
    connection.request("GET", "/health")
    connection.getresponse().read()
    target.process.send_signal(number)
    assert target.process.wait(20) == 0
    connection.close()
    target.end()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_one_has_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    """Its directory is found by the lock that died with it; that of one that lives stays."""
    killed, living = Target(TMPDIR=str(tmp_path)), Target(TMPDIR=str(tmp_path))
    killed.process.kill()
    killed.end()
    (tmp_path / "piswarm-other").mkdir()
    assert len(list(tmp_path.glob("piswarm-target-*"))) == 2
    with Target(TMPDIR=str(tmp_path)):
        assert len(list(tmp_path.glob("piswarm-target-*"))) == 2  # that of the living one, and its own
        assert living.ask("POST", "/auth/login", {"username": "user0001", "password": "piswarm"}).status == 200
    living.end()
    assert [path.name for path in tmp_path.iterdir()] == ["piswarm-other"]


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = subprocess.run([*TARGET, "--port", str(port)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in answer.stderr
    assert "in use" in answer.stderr


def exit_code(*arguments: str) -> int:
    """What the process would end with, for arguments that it does not start with: no need for a process."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize(
    "arguments", [["--port", "65536"], ["--port", "x"], ["--nonsense"], ["--host", "no.such.host.invalid"]]
)
def test_wrong_arguments_end_with_2(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*arguments) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err
    assert "Traceback" not in printed.err


def test_a_file_that_is_no_database_of_its_own_is_refused_and_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    assert exit_code("--database", str(precious)) == 2
    printed = capfd.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert precious.read_text() == "precious"


def test_help_has_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    assert "example: python -m master.target" in capfd.readouterr().out


def test_without_a_password_one_is_made_and_printed_once() -> None:
    """Not the one that everybody knows, and another one each time."""
    printed = set()
    for _ in range(2):
        process = subprocess.Popen(
            [*TARGET, "--until-stdin-closes"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "PISWARM_TARGET_PASSWORD"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        port = int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
        line = process.stderr.readline()
        password = re.fullmatch(r"target: all accounts have the password (\S{22,}) until this target ends\n", line)[1]
        printed.add(password)
        for tried, status in (("piswarm", 401), (password, 200)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST", "/auth/login", json.dumps({"username": "user0001", "password": tried}))
            assert connection.getresponse().status == status
            connection.close()
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0
    assert len(printed) == 2


def test_the_password_comes_from_a_file(tmp_path: Path) -> None:
    """Its last line break is none of it."""
    file = tmp_path / "password"
    file.write_text("from a file\n")
    with Target(f"--password-file={file}") as target:
        assert target.sign_in("user0001", "from a file")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"\n", "has 0 characters"), (b"\xff", "utf-8")]
)
def test_a_file_without_a_password_is_one_clear_line(
    tmp_path: Path, content: bytes | None, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    assert exit_code("--password-file", str(file)) == 2
    printed = capfd.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert words in printed.err


def test_orders_that_can_not_be_read_are_one_clear_line() -> None:
    answer = subprocess.run(
        [*TARGET, "--orders-on-stdin"], cwd=ROOT, input="{}\n", capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert "password" in answer.stderr


def test_password_and_token_lifetime_can_be_set() -> None:
    with Target("--token-lifetime", "0", PISWARM_TARGET_PASSWORD="another") as target:
        refused = target.ask("POST", "/auth/login", {"username": "user0001", "password": "piswarm"})
        assert refused.status == 401
        reply = target.ask("GET", "/auth/me", token=target.sign_in("user0001", "another"))
        assert reply.status == 401
        assert reply.json["error"]["message"] == "token expired"


def test_a_database_is_one_targets_at_a_time(database_options: list[str], tmp_path: Path) -> None:
    """Another says so, and ends; one that was killed is in nobody's way."""
    options = database_options or [f"--database={tmp_path / 'target.db'}"]
    with Target(*options) as first:
        second = subprocess.run([*TARGET, *options], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert (second.returncode, second.stdout) == (2, "")
        assert "another target uses" in second.stderr
        assert first.ask("GET", "/health").status == 200
        first.kill()
        with Target(*options) as following:
            assert following.ask("GET", "/health").status == 200
