"""What a locustfile prints and logs is kept for each node, and shown by `piswarm logs`: on simulated nodes and on real ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from processes import Finished, Piswarm
from standing_fleet import StandingFleet, plan

from worker.agent.worker_output import BURST_LINES, LINES_PER_S

TOKEN = "sesame-4711"  # no real one
LOCUSTFILE = """
import logging
import os
import sys

from locust import FastHttpUser, constant, events, task

print("IMPORTED")
COUNT = iter(range(10**6))


@events.quitting.add_listener
def say_goodbye(environment, **_):
    print("GOODBYE of", environment.runner.client_id)


class Visitor(FastHttpUser):
    wait_time = constant(2)  # few enough lines for none to be left out after the flood

    def on_start(self):
        sys.stdout.flush()
        os.system("echo CHILD $LOG_TOKEN")
        for number in range(5000):
            print("flood", number)

    @task
    def health(self):
        number = next(COUNT)
        print("PRINTED", number, "with", os.environ["LOG_TOKEN"], end=" and its end\\n")
        logging.info("LOGGED %s \\x1b[31m", number)
        self.client.get("/health")
        {}["nowhere"]
"""
NAMES = ("rack", "real")
LOGS = [sys.executable, "-m", "master.cli", "logs"]
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (\S+)  (.*)")


class Seen(NamedTuple):
    """A finished run with its logs, as `piswarm logs` shows them, by their sources."""

    finished: Finished
    logs: dict[str, list[str]]
    text: str


def logs_of(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LOGS, *words], capture_output=True, text=True, timeout=60, check=False)


def seen(finished: Finished) -> Seen:
    shown = logs_of(str(finished.directory))
    assert shown.returncode == 0, shown.stderr
    logs: dict[str, list[str]] = {}
    for line in shown.stdout.splitlines():
        found = LINE.fullmatch(line)
        assert found is not None, line
        logs.setdefault(found[1], []).append(found[2])
    return Seen(finished, logs, shown.stdout)


class Both(NamedTuple):
    """The same locustfile on nodes in a rack and on two nodes with agents of their own."""

    rack: Seen
    real: Seen
    followed: str
    journal: str


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Both runs at once, one of them followed by `piswarm logs --follow`."""
    folder = tmp_path_factory.mktemp("logs")
    starters = [Piswarm(folder / name) for name in NAMES]
    with ExitStack() as ending:
        for piswarm in starters:
            ending.callback(piswarm.close)
        fleet = ending.enter_context(StandingFleet(folder, 2))
        ending.enter_context(pytest.MonkeyPatch.context()).setenv("LOG_TOKEN", TOKEN)
        started = []
        for name, piswarm, options in zip(NAMES, starters, (("--local", "2"), fleet.options), strict=True):
            (folder / name).mkdir()
            (folder / name / "talks.py").write_text(LOCUSTFILE)
            scenario = plan(piswarm, "6s", 2, locustfile="talks.py", thresholds=[], environment=["LOG_TOKEN"])
            started.append(piswarm.start(scenario, *options))
        started[1].wait_for("stage 1 of 1")
        words = [*LOGS, str(started[1].directory), "--follow", "--node", "pi2"]
        following = ending.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        ending.callback(following.kill)
        runs = [seen(each.finish(120)) for each in started]
        followed, _ = following.communicate(timeout=60)
        yield Both(runs[0], runs[1], followed, fleet.log("pi1"))


def test_what_users_print_and_log_is_kept_with_its_worker(both: Both) -> None:
    """Each line that users print or log stands once in the log of their node, with the worker's name and its time."""
    for run, workers in ((both.rack, ["sim001_0", "sim002_0"]), (both.real, ["pi1_0", "pi2_0"])):
        assert set(workers) <= set(run.logs), run.finished.output
        for worker in workers:
            said = run.logs[worker]
            printed = [line for line in said if line.startswith("PRINTED")]
            assert len(printed) == len(set(printed)) >= 2, said[-20:]
            assert printed[0].endswith("with [LOG_TOKEN] and its end")
            assert any(line.startswith("root INFO LOGGED") and line.endswith(r"\x1b[31m") for line in said)
            assert any(line.startswith("KeyError: 'nowhere'") for line in said)
            assert f"GOODBYE of {worker}" in said


def test_what_is_printed_while_a_locustfile_is_imported_is_kept(both: Both) -> None:
    """What an import prints is kept once for each process that imports: a rack's own, and each worker's of a real node."""
    assert both.rack.logs["rack-1"].count("IMPORTED") == 1
    assert both.real.logs["pi1_0"].count("IMPORTED") == 1


def test_a_flood_is_bounded_and_its_rest_counted(both: Both) -> None:
    """Of a node that prints thousands of lines at once the controller gets some, and the number of the others."""
    said = both.real.logs["pi1_0"] + both.real.logs.get("pi1", [])
    assert 0 < sum(line.startswith("flood") for line in said) <= BURST_LINES + 30 * LINES_PER_S
    left_out = [int(found[1]) for line in said if (found := re.fullmatch(r"\((\d+) further lines.*\)", line))]
    assert 4000 < sum(left_out) <= 5000
    assert sum(line.startswith("flood") for line in both.rack.logs["sim001_0"]) == 5000


def test_no_log_of_a_node_tells_a_secret(both: Both) -> None:
    """A value of `environment:` is masked in what users print, and on nodes with an agent in what their child processes print."""
    assert TOKEN not in both.real.text
    assert "CHILD [LOG_TOKEN]" in both.real.logs["pi1_0"]
    assert TOKEN not in "".join(line for source, lines in both.rack.logs.items() for line in lines if "_" in source)
    assert TOKEN not in both.journal


def test_a_run_can_be_followed_node_by_node(both: Both) -> None:
    """`--follow` shows the lines of a run as they come, each once, and ends with the run; `--node` shows those of one node alone."""
    workers = {LINE.fullmatch(line)[1] for line in both.followed.splitlines()}  # type: ignore[index]
    assert workers <= {"pi2", "pi2_0"}
    said = [line for line in both.followed.splitlines() if "PRINTED" in line]
    assert [line.partition("  ")[2] for line in said] == [
        line for line in both.real.logs["pi2_0"] if line.startswith("PRINTED")
    ]
    assert "GOODBYE of pi2_0" in both.followed
    one = logs_of(str(both.real.finished.directory), "--node", "pi2")
    assert {LINE.fullmatch(line)[1] for line in one.stdout.splitlines()} == workers  # type: ignore[index]


def test_what_is_on_a_node_is_in_its_agents_own_output(both: Both) -> None:
    """The agent of a real node prints its workers' lines, too, for its journal, which `fab logs` shows."""
    assert "pi1_0 | PRINTED" in both.journal


def test_a_node_that_is_none_of_the_run_is_wrong_input(both: Both, tmp_path: os.PathLike[str]) -> None:
    """A node or directory that is not there is wrong input, with what to do."""
    for words in ((str(both.rack.finished.directory), "--node", "pi99"), (str(tmp_path),)):
        shown = logs_of(*words)
        assert (shown.returncode, shown.stdout) == (2, "")
        assert "pi99 is no node of this run" in shown.stderr or "no run directory" in shown.stderr


def test_failures_and_exceptions_fail_a_run_by_default_and_are_shown(both: Both) -> None:
    """Without thresholds, exceptions of users make the run FAIL by a rule shown as a default, and stand on the terminal with their place."""
    output = both.rack.finished.output
    assert (both.rack.finished.status, both.rack.finished.result["verdict"]) == (1, "FAIL"), output
    assert "exceptions = 0 (default)" in output
    assert re.search(r"talks\.py:\d+ in health +KeyError: 'nowhere'", output)
    assert re.search(r"GET /health +\d+ +0 ", output)
