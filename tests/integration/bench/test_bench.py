"""`make bench` for real, but short: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
from processes import ROOT

BENCH = [sys.executable, "tests/bench/http"]
TOOLS = ["piswarm HttpUser", "FastHttpUser", "Locust HttpUser", "wrk", "k6"]
CASES = ["get", "post", "heads"]
FAST, WRK = "FastHttpUser", "wrk"

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None,
    reason="needs nginx: apt install nginx-light wrk",
)
needs_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")


def bench(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BENCH, *options], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What one short run printed, and its document."""
    out = tmp_path_factory.mktemp("bench") / "new" / "http.json"
    done = bench("--rounds", "1", "--seconds", "0.5", "--warm-up", "0.5", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(out.read_text())


@needs_nginx
@needs_cores
def test_table_and_document_have_every_tool_in_every_case(measured: tuple[str, dict[str, Any]]) -> None:
    """Table and document have every tool in every case, also a tool that is not installed."""
    printed, document = measured
    assert [(row["case"], row["tool"]) for row in document["summary"]] == [(c, t) for c in CASES for t in TOOLS]
    for tool in TOOLS:
        lines = [line for line in printed.splitlines() if line.startswith(f"{tool} ")]
        assert len(lines) == len(CASES), printed
        for line, row in zip(lines, (row for row in document["summary"] if row["tool"] == tool), strict=True):
            assert (row["missing"] or f"{row['rate']:,.0f}") in line
    for tool in ("wrk", "k6"):
        missing = None if shutil.which(tool) else "not installed"
        assert {row["missing"] for row in document["summary"] if row["tool"] == tool} == {missing}


@needs_nginx
@needs_cores
def test_the_document_says_what_was_measured_on_what(measured: tuple[str, dict[str, Any]]) -> None:
    """The document names machine, versions and load, since figures of others are not comparable."""
    _, document = measured
    assert document["schema"] == "piswarm/bench/http/1"
    assert document["load"] == {"users": 50, "warm_up_s": 0.5, "window_s": 0.5}
    assert document["machine"]["generator_core"] != document["machine"]["nginx_core"]
    assert document["machine"]["cpu"]
    assert set(document["versions"]) == {*TOOLS, "nginx"}
    assert document["versions"]["Locust HttpUser"].startswith("locust 2.")


@needs_nginx
@needs_cores
def test_summary_and_ratios_follow_from_the_raw_figures(measured: tuple[str, dict[str, Any]]) -> None:
    """A rate is requests over seconds, and a ratio is that to another tool's rate in the same round and case."""
    _, document = measured
    rates: dict[tuple[str, str], list[float]] = {}
    for each in document["rounds"]:
        assert each["error"] is None
        assert each["requests"] > 0
        assert each["rate"] == pytest.approx(each["requests"] / each["seconds"])
        rates.setdefault((each["case"], each["tool"]), []).append(each["rate"])
    for row in document["summary"]:
        if row["missing"] is not None:
            continue
        mine = rates[row["case"], row["tool"]]
        assert row["rate"] == pytest.approx(median(mine))
        for field, other in (("ratio_fast", FAST), ("ratio_wrk", WRK)):
            others = rates.get((row["case"], other))
            expected = None if others is None else median(a / b for a, b in zip(mine, others, strict=True))
            assert row[field] == pytest.approx(expected)


def test_without_nginx_it_says_what_to_install_and_is_content(tmp_path: Path) -> None:
    """Without nginx the bench says what to install, writes nothing and exits with 0, since the code is not at fault."""
    out = tmp_path / "http.json"
    done = bench("--out", str(out), PATH="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("skipped: ")
    assert not out.exists()
    if len(os.sched_getaffinity(0)) > 1:
        assert done.stdout == "skipped: nginx is not installed; on Debian: apt install nginx-light wrk\n"


@needs_nginx
def test_with_one_core_it_says_so_and_is_content() -> None:
    """On one core the bench is skipped with status 0, since generator and nginx would measure each other."""
    one_core = "import os, runpy; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    command = [sys.executable, "-c", one_core + "runpy.run_path('tests/bench/http', run_name='__main__')"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("skipped: two cores are needed")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that prints a line on stderr when its first round is over."""
    process = subprocess.Popen(
        [*BENCH, "--seconds", "0.1", "--warm-up", "0.1", "--out", str(tmp_path / "http.json")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        process.kill()


@needs_nginx
@needs_cores
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_behind(
    started: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    """An interrupted bench leaves behind neither nginx nor the tool under way."""
    assert "req/s" in started.stderr.readline()
    family = psutil.Process(started.pid).children(recursive=True)
    assert any(process.name() == "nginx" for process in family)
    started.send_signal(number)
    _, complaint = started.communicate(timeout=20)
    assert started.returncode == 4
    assert complaint.endswith("bench: interrupted; nothing was written\n")
    assert not (tmp_path / "http.json").exists()
    assert not any(process.is_running() for process in family)


FAKE = """#!{python}
import http.client, sys, time
target = [word.removeprefix("URL=") for word in sys.argv if word.startswith(("URL=http", "http"))]
if not target:
    sys.exit("version 1")
case = target[0].rpartition("/")[2]
if case == "heads":
    sys.exit("out of memory")
connection = http.client.HTTPConnection(target[0].split("/")[2])
end = time.monotonic() + 1
count = 0
while time.monotonic() < end:
    connection.request("GET", "/get")
    connection.getresponse().read()
    count += 1
"""
FAKE_WRK = """
wrong = {"get": (count + 1000, 0), "post": (count, 3)}[case]
print('{"requests": %d, "connect": 0, "status": %d}' % wrong)
"""
FAKE_K6 = """
sys.exit({"get": 0, "post": 99}[case])
"""


@needs_nginx
@needs_cores
@pytest.mark.parametrize(
    ("tool", "end", "outcomes"),
    [
        ("wrk", FAKE_WRK, [r"it counted \d+ requests, nginx \d+: one of them is wrong", "3 × status error"]),
        ("k6", FAKE_K6, [None, "a check of status or body failed"]),
    ],
)
def test_a_tool_that_fails_has_no_figures(tmp_path: Path, tool: str, end: str, outcomes: list[str | None]) -> None:
    """A tool that miscounts, whose requests fail or that ends too early has a reason in place of figures, and the status is 1."""
    program = tmp_path / tool
    program.write_text(FAKE.replace("{python}", sys.executable) + end)
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ.get('PATH', '')}"
    options = ("--rounds", "1", "--seconds", "0.1", "--warm-up", "0.1", "--only", tool)
    done = bench(*options, "--out", str(tmp_path / "http.json"), PATH=path)
    assert done.returncode == 1, done.stdout + done.stderr
    rows = json.loads((tmp_path / "http.json").read_text())["summary"]
    for row, outcome in zip(rows, [*outcomes, r"it did not begin to send \(out of memory\)"], strict=True):
        assert (row["rate"] is None) == (outcome is not None)
        assert re.fullmatch(f"failed: {outcome}", str(row["missing"])) or outcome is row["missing"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--rounds", "0"], "0 is less than 1"),
        (["--seconds", "0"], "0 is not between 0.1 and 3600 seconds"),
        (["--rounds", "many"], "invalid"),
    ],
)
def test_wrong_input_is_refused_with_what_is_wrong(options: list[str], complaint: str) -> None:
    """Wrong input is refused before anything is started."""
    done = bench(*options)
    assert done.returncode == 2
    assert complaint in done.stderr


@needs_nginx
@needs_cores
def test_a_file_that_can_not_be_written_is_refused_before_measuring(tmp_path: Path) -> None:
    """A file that can't be written is refused before the measurement, and not after six minutes of it."""
    (tmp_path / "file").touch()
    done = bench("--out", str(tmp_path / "file" / "http.json"))
    assert done.returncode == 2
    assert "can't write --out" in done.stderr
    assert "Traceback" not in done.stderr
