"""`make faults`, the real program on made-up faults: its output, its exit status and its end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from processes import ROOT

FAULTS = ROOT / "tests" / "faults"
PROGRAM = ("__main__.py", "rows.py", "finding.py", "apart.py")
FILE = """
import time
from apart import apart
from finding import Finding

FAULT, TITLE = {fault!r}, "the title of {fault}"

def stock():
    return {stock}

def ours():
    return {ours}

def wait():
    time.sleep(60)

def say_and_die():
    raise SystemExit("dead parrot")
"""
FAILS, HOLDS = "Finding(False, '3 of 4 lost')", "Finding(True, '0 of 4 lost')"


class Faults:
    """The program in a folder of made-up faults."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "faults"
        self._folder.mkdir()
        for name in PROGRAM:
            shutil.copy(FAULTS / name, self._folder)
        shutil.copy(FAULTS.parent / "terminal.py", folder)

    def add(self, fault: str, stock: str = FAILS, ours: str = HOLDS) -> None:
        (self._folder / f"test_made_up_{fault}.py").write_text(FILE.format(fault=fault, stock=stock, ours=ours))

    def add_without_stock(self, fault: str) -> None:
        self.add(fault)
        path = self._folder / f"test_made_up_{fault}.py"
        path.write_text(path.read_text() + "\nstock = None\n")

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(self._folder), *options]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *options: str) -> tuple[int, str, str]:
        """Run the program; return exit status, standard output and standard error."""
        with self.start(*options) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path)


def test_a_row_per_fault_in_order_of_number(faults: Faults) -> None:
    """Each fault has a row by its number, with what both sides showed or a dash for Locust, and a line of progress per side."""
    for fault in ("L10", "L9"):
        faults.add(fault)
    faults.add_without_stock("K1")
    status, out, err = faults.run()
    assert status == 0, out + err
    rows = [tuple(re.split(r"\s{2,}", line.strip())) for line in out.splitlines()[1:]]
    assert rows == [
        ("L9 the title of L9", "fails: 3 of 4 lost", "holds: 0 of 4 lost"),
        ("L10 the title of L10", "fails: 3 of 4 lost", "holds: 0 of 4 lost"),
        ("K1 the title of K1", "–", "holds: 0 of 4 lost"),
    ]
    assert len(err.splitlines()) == 5


@pytest.mark.parametrize(
    ("stock", "ours", "shown"),
    [
        (HOLDS, HOLDS, "holds: 0 of 4 lost"),
        (FAILS, FAILS, "fails: 3 of 4 lost"),
        (FAILS, "1 / 0", "error: ZeroDivisionError: division by zero"),
        ("1 / 0", HOLDS, "error: ZeroDivisionError: division by zero"),
        (FAILS, "apart(say_and_die)", "dead parrot"),
    ],
    ids=["stock holds", "ours fails", "ours breaks", "stock breaks", "ours ends early"],
)
def test_a_row_that_is_otherwise_is_told_by_the_exit_status(faults: Faults, stock: str, ours: str, shown: str) -> None:
    """A row other than expected makes the exit status 1, and all other rows are shown."""
    faults.add("L1", stock, ours)
    faults.add("L2")
    status, out, _ = faults.run()
    assert status == 1
    assert shown in out
    assert "the title of L2" in out


def test_the_document_says_the_same_to_machines(faults: Faults) -> None:
    """The JSON document has the same rows, and is all of standard output."""
    faults.add("L1", FAILS, "1 / 0")
    faults.add_without_stock("K1")
    status, out, _ = faults.run("--json")
    document = json.loads(out)
    assert (status, document["schema"], document["as_expected"]) == (1, "piswarm/faults/1", False)
    broken, kill = document["rows"]
    assert (broken["stock"]["holds"], broken["stock"]["seen"]) == (False, "3 of 4 lost")
    assert (broken["ours"]["holds"], broken["ours"]["error"]) == (None, "ZeroDivisionError: division by zero")
    assert (kill["stock"], kill["ours"]["holds"], kill["as_expected"]) == (None, True, True)


def test_only_the_faults_that_are_named_are_run(faults: Faults) -> None:
    """Only the faults that are named are run, and an unknown name is refused before any is run."""
    for fault in ("L1", "L2", "L3"):
        faults.add(fault)
    status, out, _ = faults.run("--only", "l3,L1", "--json")
    assert (status, [row["fault"] for row in json.loads(out)["rows"]]) == (0, ["L1", "L3"])
    status, out, err = faults.run("--only", "L1,L4")
    assert (status, out, err) == (2, "", "faults: there is no fault L4; choose from L1, L2, L3\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_what_it_started(faults: Faults, number: signal.Signals) -> None:
    """An interrupted program ends what it started, and says so in one line."""
    faults.add("L1", "apart(wait)")
    with faults.start() as process:
        assert process.stderr.read(5) == "L1  s"
        program = psutil.Process(process.pid)
        while not (children := program.children()):
            assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 4
    assert err.endswith("\nfaults: interrupted\n")
    assert "Traceback" not in err
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_the_real_one_runs_from_the_root() -> None:
    """The real program runs from the root with its one fault that takes no process, and `--help` has an example."""
    done = subprocess.run(
        [sys.executable, "tests/faults", "--only", "L11"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "L11 latencies keep two digits" in done.stdout
    helped = subprocess.run(
        [sys.executable, "tests/faults", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "example: python tests/faults --only L1,L2" in helped.stdout
