"""`make bench-deploy` as far as it needs no hosts; the rest is in tests/fleet/test_deploy_costs.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from benches import Bench
from processes import ROOT

BENCH = Bench("deploy")
COSTS = ROOT / "tests/bench/deploy/costs.py"
BUSY_S = 0.4
BUSY = f"import time\nwhile time.process_time() < {BUSY_S}: pass"


def test_where_there_can_be_no_hosts_it_is_skipped_and_says_why(tmp_path: Path) -> None:
    """Where no hosts can be made, as without systemd-nspawn, the bench is skipped and says why."""
    out = tmp_path / "deploy.json"
    command = [sys.executable, "tests/bench/deploy", "--out", str(out)]
    environment = {**os.environ, "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("skipped: no hosts of a lab: needs ")
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--hosts", "2,0"], "0 is less than 1"),
        (["--hosts", "two"], "invalid"),
        (["--hosts", "201"], "201 hosts don't fit into a lab, at most 200 do"),
        (["--rounds", "0"], "0 is less than 1"),
        (["--playbook", "nowhere.yml"], "no such playbook: nowhere.yml"),
    ],
)
def test_wrong_input_is_refused_with_what_is_wrong(options: list[str], complaint: str) -> None:
    """Wrong input is refused before anything is started."""
    done = BENCH.run(*options)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_help_has_an_example() -> None:
    assert "example: python tests/bench/deploy --hosts 4" in BENCH.run("--help").stdout


def test_what_a_command_leaves_behind_is_ended_and_counted(tmp_path: Path) -> None:
    """Processes that a command leaves in another process group, as ssh's master connections, are ended and their cost
    is counted.
    """
    result, left = tmp_path / "costs.json", tmp_path / "left"
    stays = f"{BUSY}\nopen({str(left)!r}, 'w').write(str(__import__('os').getpid()))\ntime.sleep(600)"
    start = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
    until = f"{start}\nimport os, time\nwhile not os.path.exists({str(left)!r}): time.sleep(0.01)\nsys.exit(3)"
    began_s = time.monotonic()
    command = [sys.executable, str(COSTS), str(result), sys.executable, "-c", until, stays]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    took_s = time.monotonic() - began_s
    assert done.returncode == 3, done.stderr
    cost = json.loads(result.read_text())
    assert BUSY_S <= cost["cpu_s"] <= took_s * (os.cpu_count() or 1)
    assert BUSY_S <= cost["seconds"] <= took_s
    assert not psutil.pid_exists(int(left.read_text()))


def test_interrupted_it_ends_the_command(tmp_path: Path) -> None:
    """Interrupted, the measurement ends its command and writes no result."""
    result, there = tmp_path / "costs.json", tmp_path / "there"
    script = f"import os, time; open({str(there)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, str(COSTS), str(result), sys.executable, "-c", script], stderr=subprocess.DEVNULL
    )
    until_s = time.monotonic() + 30
    while not there.exists() or not there.read_text():
        assert time.monotonic() < until_s
        time.sleep(0.02)
    process.terminate()
    assert process.wait(30) != 0
    assert not result.exists()
    assert not psutil.pid_exists(int(there.read_text()))
