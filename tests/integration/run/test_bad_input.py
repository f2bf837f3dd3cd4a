"""Wrong input gives one clear message that says what to do, and the right exit status; nothing is started or left."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from forked_commands import ForkedCommands
from processes import PISWARM, Finished, Piswarm

SHIPPED: dict[str, Any] = {"locustfile": None, "users": {"ApiUser": 1}}
"""Users that need no locustfile, for what a locustfile has no part in."""


def assert_refused(finished: Finished, status: int, *words: str) -> None:
    assert finished.status == status, finished.output
    for word in words:
        assert word in " ".join(finished.output.split()), finished.output
    assert "Traceback" not in finished.output


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"thresold": []}, ["scenario.yml:1", "thresold", "thresholds"]),
        ({"load": [{"users": 5, "spawn_rate": 1, "hold": "20 parsecs"}]}, ["scenario.yml:1", "20 parsecs"]),
        ({"users": {"Visitr": 1}}, ["Visitr", "Visitor"]),
        ({"thresholds": ["p95 < 5 apples"]}, ["p95 < 5 apples"]),
        ({"load": [{"rate": "0/s", "hold": "9s", "max_users": 5}]}, ["scenario.yml:1", "needs a rate above 0/s"]),
        ({"load": [{"rate": 500, "hold": "9s", "max_users": 5}]}, ["scenario.yml:1", "did you mean 500/s?"]),
        ({"nodes": {"expect": 0}}, ["expect"]),
        ({"locustfile": "nowhere.py"}, ["nowhere.py"]),
        ({"target": "ftp://example.org"}, ["ftp://example.org"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_scenario_is_refused(
    piswarm: Piswarm, commands: ForkedCommands, changes: dict[str, Any], words: list[str]
) -> None:
    """All faults of a wrong scenario are named with their places, and nothing is started."""
    finished = piswarm.run_forked(commands, piswarm.scenario(**changes))
    assert_refused(finished, 2, *words)
    assert not finished.directory.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--local", "0"], ["--local 0", "must be from 1", "as many as the scenario expects"]),
        (["--users", "-3"], ["--users -3"]),
        (["--rate", "500"], ["--rate: 500 has no unit", "500/s"]),
        (["--rate", "500/s"], ["--rate 500/s: this scenario is of the closed model", "give --users"]),
        (["--max-users", "5"], ["--max-users 5: this scenario is of the closed model", "give --users"]),
        (["--duration", "forever"], ["--duration"]),
        (["--duration", "0.1s"], ["--duration", "ramps"]),
        (["--target", "nonsense"], ["--target", "nonsense"]),
        (["--port", "70000"], ["--port", "65535"]),
        (["--host", "0.0.0.0"], ["--host 0.0.0.0", "Locust's name for --target", "--listen"]),
        (["-H", "ftp://a.test"], ["--target", "'ftp://a.test' is neither"]),
        (["--host", "http://a.test", "--target", "embedded"], ["--target and --host are the same"]),
        (["--listen", "no.such.host.invalid"], ["'no.such.host.invalid'", "no address of this machine", "--listen"]),
        (["--listen", ""], ["''", "no address of this machine", "--listen"]),
        (["--limit", "rack_a"], ["--limit is for real nodes", "--inventory"]),
        (["--state", "elsewhere"], ["--state is for real nodes", "--inventory"]),
        (["--port", "9777", "--metrics-port", "9777"], ["--port and --metrics-port are both 9777"]),
        (["--colour", "red"], ["--colour"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("-") else "",
)
def test_a_wrong_option_is_refused(
    piswarm: Piswarm, commands: ForkedCommands, options: list[str], words: list[str]
) -> None:
    """A wrong option is refused by its name."""
    assert_refused(piswarm.run_forked(commands, piswarm.scenario(**SHIPPED), *options), 2, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--users", "5"], ["--users 5: this scenario offers a rate", "--rate", "--max-users"]),
        (["--rate", "0/s"], ["--rate 0/s: must be above 0/s"]),
        (["--max-users", "0"], ["--max-users 0: must be from 1"]),
        (["--duration", "5s"], ["--duration 5s: the ramps alone take 5s", "shorter ramps"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("-") else "",
)
def test_a_wrong_option_for_a_load_of_arrivals_is_refused(
    piswarm: Piswarm, commands: ForkedCommands, options: list[str], words: list[str]
) -> None:
    """What scales users has no meaning where a rate of arrivals is offered, and says what has."""
    load = [{"rate": "5/s", "ramp": "5s", "hold": "9s", "max_users": 5}]
    assert_refused(piswarm.run_forked(commands, piswarm.scenario(load=load, **SHIPPED), *options), 2, *words)


@pytest.mark.parametrize("command", [["run"], ["resume"], ["nodes"], ["run", "{scenario}", "--inventory"]])
@pytest.mark.parametrize("name", ["fifo", "/proc/self/mem", "x" * 5000], ids=lambda name: name[:20])
def test_what_is_no_file_to_read_is_refused_at_once(
    piswarm: Piswarm, tmp_path: Path, command: list[str], name: str
) -> None:
    """A pipe, a device or an impossible file name in place of a file is refused at once."""
    os.mkfifo(tmp_path / "fifo")
    words = [word.format(scenario=piswarm.scenario()) for word in command]
    done = subprocess.run(
        [*PISWARM, *words, name], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert name[:20] in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 2000


def test_a_missing_scenario_is_refused(piswarm: Piswarm, commands: ForkedCommands, tmp_path: Path) -> None:
    """A missing scenario is refused by its name."""
    assert_refused(piswarm.run_forked(commands, tmp_path / "none.yml"), 2, "none.yml")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"class Visitor(:\n", ["visitors.py", "SyntaxError"]),
        (b"raise RuntimeError('\\x1b]0;x\\x07')\n", ["visitors.py", "RuntimeError", r"\x1b]0;x\x07"]),
        (b"import sys\nsys.exit(0)\n", ["visitors.py", "SystemExit"]),
        (b"import gevent\nraise gevent.Timeout(1)\n", ["visitors.py", "Timeout: 1 second"]),
    ],
)
def test_a_locustfile_that_can_not_be_used_is_refused_before_anything_is_started(
    piswarm: Piswarm, commands: ForkedCommands, tmp_path: Path, content: bytes, words: list[str]
) -> None:
    """A locustfile that is not Python, or that fails or exits on import is refused before anything starts."""
    scenario = piswarm.scenario()
    (tmp_path / "visitors.py").write_bytes(content)
    finished = piswarm.run_forked(commands, scenario)
    assert_refused(finished, 2, *words)
    assert not finished.directory.exists()


def test_a_window_longer_than_every_hold_is_refused(piswarm: Piswarm, commands: ForkedCommands) -> None:
    """A window longer than every hold is refused by the line of its rule, or by --duration where that shortens the holds."""
    rules = ["errors < 50 % over 2s"]
    assert_refused(
        piswarm.run_forked(commands, piswarm.scenario(**SHIPPED, thresholds=["errors < 50 % over 5s"])),
        2,
        "thresholds[0]",
        "over 5s",
    )
    assert_refused(
        piswarm.run_forked(commands, piswarm.scenario(**SHIPPED, thresholds=rules), "--duration", "4s"),
        2,
        "--duration 4s",
        rules[0],
    )


def test_a_locustfile_that_does_not_import_is_the_operators_to_mend(
    piswarm: Piswarm, commands: ForkedCommands, tmp_path: Path
) -> None:
    """An exception of a locustfile's import is shown with the file's name, without a traceback of piswarm's."""
    scenario = piswarm.scenario()
    (tmp_path / "visitors.py").write_text("import no_such_module_at_all\n")
    assert_refused(piswarm.run_forked(commands, scenario), 2, "visitors.py", "no_such_module_at_all")


def test_an_output_directory_in_use_is_refused(piswarm: Piswarm, commands: ForkedCommands, tmp_path: Path) -> None:
    """An output directory in use is refused, so that no earlier run is overwritten."""
    (tmp_path / "run-1").mkdir()
    (tmp_path / "run-1" / "result.json").write_text("precious")
    finished = piswarm.run_forked(commands, piswarm.scenario(**SHIPPED))
    assert_refused(finished, 2, "not empty", "--out")
    assert (tmp_path / "run-1" / "result.json").read_text() == "precious"


def test_an_output_directory_that_can_not_be_written_is_refused(piswarm: Piswarm, commands: ForkedCommands) -> None:
    """An output directory that can't be written is refused at the start, and not after the load."""
    assert_refused(
        piswarm.run_forked(commands, piswarm.scenario(**SHIPPED), "--out", "/proc/nowhere"), 2, "/proc/nowhere", "--out"
    )


def test_a_taken_port_is_refused(piswarm: Piswarm, commands: ForkedCommands) -> None:
    """A port that is taken is refused with its number and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        finished = piswarm.run_forked(commands, piswarm.scenario(**SHIPPED), "--port", str(port))
    assert_refused(finished, 2, f"port {port}", "--port")
    assert not finished.directory.exists()


@pytest.mark.parametrize("option", ["--target", "--host"])
def test_a_target_that_is_not_there_aborts_the_run(piswarm: Piswarm, option: str) -> None:
    """A target that is not there, given by --target or --host, aborts the run with status 4, no load and a report that says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    finished = piswarm.run(piswarm.scenario(), option, f"http://127.0.0.1:{port}")
    assert_refused(finished, 4, f"127.0.0.1:{port}", "can't be reached")
    assert finished.result["verdict"] == "ABORTED"
    assert finished.result["requests"]["total"] == 0


def test_an_interrupt_before_the_start_is_no_broken_threshold(piswarm: Piswarm) -> None:
    """Ctrl-C while the locustfile is read ends with the status of ABORTED, and not with that of FAIL."""
    scenario = piswarm.scenario()
    (scenario.parent / "visitors.py").write_text(
        "import os, signal, time\nos.kill(os.getppid(), signal.SIGINT)\ntime.sleep(60)\n", encoding="utf-8"
    )
    finished = piswarm.run(scenario)
    assert_refused(finished, 4, "interrupted before anything was started")
    assert not finished.directory.exists()
