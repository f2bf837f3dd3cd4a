"""When parts of a run fail, the rest of its end is done, exit status 2 still means that nothing was started, and losses
are named.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from result_reference import read_result

from master.errors import InputError
from master.run.shutdown import Shutdown

SCENARIO = {
    "target": "embedded",
    "users": {"ApiUser": 1},
    "load": [{"users": 1, "spawn_rate": 1, "hold": "5s"}],
    "nodes": {"expect": 1},
    "thresholds": ["errors < 50 %"],
}
# A controller in which a target that does not start is the end of the run, so that there are no processes but itself.
BEGIN = """
import locust, sys
from master.cli import main
from master.errors import AbortError, InputError
from master.fleet.master import FleetMaster
from master.fleet.server import FleetServer
from master.run import end
from master.run.collect.collector import Collector
from master.run.processes.local import LocalProcesses
from master.store import Store

def failing(error):
    def fail(*arguments, **options):
        raise error
    return fail

def then_failing(method, error):
    def fail(*arguments, **options):
        method(*arguments, **options)
        raise error
    return fail

def noting(method):
    def note(*arguments, **options):
        print("DONE", method.__qualname__, flush=True)
        return method(*arguments, **options)
    return note

LocalProcesses.start_target = failing(AbortError("the target does not start", hint="Ask it."))
"""
END = """
sys.exit(main())
"""
STEPS = ["Collector.end", "FleetMaster.send_quit", "LocalProcesses.stop", "FleetMaster.close"]


class Ended:
    """A run that has ended."""

    def __init__(self, status: int, output: str, directory: Path) -> None:
        self.status, self.output, self.directory = status, output, directory

    @property
    def result(self) -> dict[str, Any]:
        return read_result(self.directory / "result.json")


@pytest.fixture
def run_with(tmp_path: Path) -> Callable[[str], Ended]:
    """A function that runs the command with parts of it replaced by some Python."""
    (tmp_path / "scenario.yml").write_text(json.dumps(SCENARIO), encoding="utf-8")

    def run(patch: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + patch + END, "run", "scenario.yml", "--out", "out"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=90,
            check=False,
        )
        return Ended(done.returncode, done.stdout, tmp_path / "out")

    return run


RunWith = Callable[[str], Ended]


def test_a_target_that_does_not_start_aborts_the_run(run_with: RunWith) -> None:
    """A target that does not start aborts the run, and its keys are removed, since it can't be resumed."""
    ended = run_with("")
    assert ended.status == 4, ended.output
    assert "the target does not start. Ask it." in ended.result["reason"]
    assert not (ended.directory / "keys.json").exists()


def test_wrong_input_that_is_found_after_the_start_aborts_the_run(run_with: RunWith) -> None:
    """Wrong input found after the start ends with status 4, its own message and no fault of piswarm's, as 2 means
    nothing started.
    """
    ended = run_with("LocalProcesses.start_target = failing(InputError('the file is gone', hint='Put it back.'))")
    assert ended.status == 4, ended.output
    assert ended.result["verdict"] == "ABORTED"
    assert "the file is gone. Put it back." in ended.result["reason"]
    assert "the file is gone. Put it back." in ended.output
    assert "Traceback" not in ended.output
    assert "piswarm's own" not in ended.output


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_in_one_step_of_the_end_leaves_no_other_undone(run_with: RunWith, step: str) -> None:
    """A fault in one step of a run's end leaves all others to be done, and the result names it with escape sequences shown."""
    error = r"RuntimeError('told \x1b[31mred')"
    ended = run_with(
        f"{step} = then_failing({step}, {error})\nLocalProcesses.start_target = failing({error})\n"
        + "".join(f"{each} = noting({each})\n" if each != step else "" for each in STEPS)
    )
    done = [line.removeprefix("DONE ") for line in ended.output.splitlines() if line.startswith("DONE ")]
    assert done == [each for each in STEPS if each != step]
    assert ended.status == 4, ended.output
    assert ended.result["verdict"] == "ABORTED"
    assert r"a fault of piswarm's own: RuntimeError: told \x1b[31mred" in ended.result["reason"]
    assert (ended.directory / "report.html").exists()
    assert (ended.directory / "junit.xml").exists()
    assert "please report it" in ended.output
    assert "\x1b" not in ended.output


def test_a_process_that_can_not_be_ended_is_told_of(run_with: RunWith) -> None:
    """A process that can't be ended is named, so that the operator can end it."""
    ended = run_with("LocalProcesses.stop = lambda *_: ['the process rack-1 (pid 7) could not be ended']")
    assert ended.status == 4
    assert "piswarm: the process rack-1 (pid 7) could not be ended\n" in ended.output


def test_a_run_whose_seconds_can_not_be_judged_is_aborted(run_with: RunWith) -> None:
    """A run whose seconds can't be judged is ABORTED, and its result gives what is known without them."""
    ended = run_with("Collector.steady_seconds = failing(RuntimeError('no sum'))")
    assert ended.status == 4, ended.output
    assert ended.result["verdict"] == "ABORTED"
    assert "please report it" in ended.output


def test_where_there_can_be_no_result_the_message_says_what_is_missing_and_where_the_rest_is(run_with: RunWith) -> None:
    """Without a result the message says which files are missing, and that run.db has all that was measured."""
    ended = run_with("end.conclude = failing(RuntimeError('no sum'))")
    assert ended.status == 4, ended.output
    assert "the result can't be worked out: RuntimeError: no sum" in ended.output
    assert "Not written: result.json, junit.xml, report.html" in ended.output
    assert f"What was measured is in {ended.directory}/run.db" in ended.output


def test_files_that_can_not_be_made_are_named(run_with: RunWith) -> None:
    """Files that can't be made are named, whatever fails while they are made."""
    ended = run_with("end.write_outcome = failing(RuntimeError('no pen'))")
    assert ended.status == 4, ended.output
    missing = "not written: result.json, junit.xml, report.html"
    assert f"writing the result failed: RuntimeError: no pen; {missing}; " in ended.output
    assert f"what was measured is in {ended.directory}/run.db" in ended.output


def test_a_database_that_can_not_be_closed_costs_nothing_else(run_with: RunWith) -> None:
    """If run.db can't be closed, the result is there, the keys are removed, the port is closed, and the operator is told."""
    ended = run_with(
        "Store.close = then_failing(Store.close, OSError(28, 'No space left on device'))\n"
        "FleetServer.close = noting(FleetServer.close)\n"
    )
    assert ended.status == 4, ended.output
    assert "the target does not start. Ask it." in ended.result["reason"]
    assert f"closing {ended.directory}/run.db failed: OSError: [Errno 28] No space left on device" in ended.output
    assert "Traceback" not in ended.output
    assert not (ended.directory / "keys.json").exists()
    assert "DONE FleetServer.close" in ended.output


def test_every_step_of_a_shutdown_is_done_last_added_first() -> None:
    """All steps of a shutdown are done, last added first, and each failure is reported beside the error that caused the
    shutdown.
    """
    done: list[str] = []

    def step(name: str, error: Exception | None = None) -> Callable[[], None]:
        def act() -> None:
            done.append(name)
            if error is not None:
                raise error

        return act

    def end_in_error() -> None:
        with Shutdown() as shutdown:
            shutdown.add("closing the port", step("port"))
            shutdown.add("closing the keys", step("keys", OSError(5, "Input/output error")))
            shutdown.add("closing run.db", step("database", RuntimeError("no \x1b[2J")))
            raise InputError("wrong")

    with pytest.raises(InputError) as caught:
        end_in_error()
    assert done == ["database", "keys", "port"]
    assert caught.value.__notes__ == [
        r"closing run.db failed: RuntimeError: no \x1b[2J",
        "closing the keys failed: OSError: [Errno 5] Input/output error",
    ]
