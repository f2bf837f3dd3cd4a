"""`piswarm report`: the files of a run made again; and the further files that a run of a scenario writes."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from processes import PISWARM, Finished, Piswarm, Target
from result_reference import read_result

from master.nodes.latest import read_latest

NOT_KEPT = {"run_id", "warnings", "target_figures", "validity"}
"""What a result that is worked out of run.db alone has otherwise: its caches' hits, the clocks' errors."""
SUFFIXES = ("_stats.csv", "_stats_history.csv", "_failures.csv", "_exceptions.csv")


def report(*words: str | Path) -> tuple[int, str]:
    """The exit status of the command, and what it says."""
    command = [*PISWARM, "report", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """One run for the tests of this file, with all files that it can be asked for."""
    piswarm = Piswarm(tmp_path_factory.mktemp("report"))
    with Target() as target:
        options = ["--target", target.url, "--csv", "made/load", "--csv-full-history", "--summary", "summary.md"]
        finished = piswarm.run(piswarm.scenario(), *options)
        assert finished.status == 0, finished.output
        yield finished
    piswarm.close()


def test_files_that_were_lost_are_made_again_as_they_were(finished: Finished, tmp_path: Path) -> None:
    """report.html and junit.xml are made of run.db and result.json; the latter is left as it is."""
    copy = shutil.copytree(finished.directory, tmp_path / finished.directory.name)
    kept = (copy / "result.json").read_bytes()
    for name in ("report.html", "junit.xml"):
        (copy / name).unlink()
    status, said = report(copy)
    assert (status, said.splitlines()[0].split()[0]) == (0, "PASS"), said
    assert (copy / "result.json").read_bytes() == kept
    for name in ("report.html", "junit.xml"):
        assert (copy / name).read_bytes() == (finished.directory / name).read_bytes()


def test_a_result_that_was_lost_is_worked_out_of_run_db(finished: Finished, tmp_path: Path) -> None:
    """Without result.json the run is judged again, to the same figures but for what run.db has not, which is said to be unknown."""
    copy = shutil.copytree(finished.directory, tmp_path / finished.directory.name)
    (copy / "result.json").unlink()
    (copy.parent / "visitors.py").unlink(missing_ok=True)  # nothing is asked of the locustfile
    status, said = report(copy)
    assert status == 0, said
    before, after = finished.result, read_result(copy / "result.json")
    assert {key: after[key] for key in after if key not in NOT_KEPT} == {
        key: before[key] for key in before if key not in NOT_KEPT
    }
    clock_error = next(row for row in after["validity"] if row["check"] == "clock_error")
    assert (clock_error["ok"], clock_error["observed_ms"]) == (None, None)
    assert [row for row in after["validity"] if row != clock_error] == [
        row for row in before["validity"] if row["check"] != "clock_error"
    ]
    assert any("worked out of run.db alone" in warning for warning in after["warnings"])


def test_the_files_can_go_elsewhere_and_the_run_stays_as_it_is(finished: Finished, tmp_path: Path) -> None:
    """With --out nothing in the run directory is touched, and a folder that is in use is refused."""
    before = {path: path.stat().st_mtime_ns for path in finished.directory.iterdir() if path.suffix != ".db-shm"}
    out, summary = tmp_path / "out", tmp_path / "ci.md"
    status, said = report(finished.directory, "--out", out, "--summary", summary)
    assert status == 0, said
    assert sorted(path.name for path in out.iterdir()) == ["junit.xml", "report.html"]
    assert summary.read_text("utf-8") == (finished.directory.parent / "summary.md").read_text("utf-8")
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())
    status, said = report(finished.directory, "--out", out)
    assert (status, f"--out: {out} is not empty" in said) == (2, True)


def test_a_scenario_has_the_csv_files_of_locust(finished: Finished) -> None:
    """`run SCENARIO --csv` writes Locust's four files, as a run of a locustfile alone does, with the counts of the result."""
    made = finished.directory.parent / "made"
    assert sorted(path.name for path in made.iterdir()) == sorted(f"load{suffix}" for suffix in SUFFIXES)
    with (made / "load_stats.csv").open(newline="", encoding="utf-8") as file:
        counted = {row["Name"]: (int(row["Request Count"]), int(row["Failure Count"])) for row in csv.DictReader(file)}
    result = finished.result
    endpoints = {row["name"]: (row["total"], row["failed"]) for row in result["endpoints"]}
    assert counted == {**endpoints, "Aggregated": (result["requests"]["total"], result["requests"]["failed"])}
    with (made / "load_stats_history.csv").open(newline="", encoding="utf-8") as file:
        assert {row["Name"] for row in csv.DictReader(file)} == {*endpoints, "Aggregated"}


def test_a_run_says_its_outcome_in_markdown(finished: Finished) -> None:
    text = (finished.directory.parent / "summary.md").read_text("utf-8")
    assert text.startswith("## ✅ PASS: scenario\n")
    assert "| <code>errors &#60; 50 %</code> | held |" in text


def test_a_run_whose_controller_was_killed_is_judged_by_what_it_measured(piswarm: Piswarm, target: Target) -> None:
    """It is ABORTED with the figures until then, and refused while it is on; it can be resumed all the same."""
    hold = [{"users": 8, "spawn_rate": 20, "hold": "60s"}]
    started = piswarm.start(piswarm.scenario(load=hold), "--target", target.url)
    started.wait_for("stage 1 of 1, hold")
    while (read_latest(started.directory).offset_s or 0) < 10:  # past the seconds that are not judged
        assert started.process.poll() is None
    status, said = report(started.directory)
    assert (status, "is still on" in said) == (2, True), said
    os.kill(started.process.pid, signal.SIGKILL)
    started.finish()
    status, said = report(started.directory)
    assert status == 0, said
    assert said.startswith("ABORTED  The controller was killed ")
    assert f"piswarm resume {started.directory}" in said
    result = read_result(started.directory / "result.json")
    assert (result["verdict"], result["requests"]["total"] > 200, result["steady_s"] > 0) == ("ABORTED", True, True)
    assert result["latency_ms"]["p95"] is not None
    assert ET.parse(started.directory / "junit.xml").getroot().get("errors") == "1"
    assert "ABORTED" in (started.directory / "report.html").read_text("utf-8")
    assert (started.directory / "keys.json").exists()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """A folder without run.db is refused in one line, and nothing is written."""
    status, said = report(tmp_path)
    assert (status, f"{tmp_path} is no run directory" in said) == (2, True)
    assert list(tmp_path.iterdir()) == []
