"""`piswarm soak RUN`, and what a summary and a report show of a soak."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compared_runs import result, scenario, stored_run
from msgspec.structs import replace
from rich.console import Console
from typer.testing import CliRunner

from master.analysis.soak.assess import assess
from master.cli import app
from master.errors import InputError
from master.judge.faults import Faults
from master.report.html import render
from master.report.terminal.summary import print_summary
from master.run.directory import RunDirectory
from master.scenario import SoakLimits
from master.store import Store, TargetRow

HOSTILE = "/<script>alert(1)</script>"
LIMITS = SoakLimits(target_memory_bytes=600e6)


def soaked(path: Path, bytes_per_s: float = 0.0, limits: SoakLimits | None = LIMITS, seconds: int = 300) -> Path:
    """A run whose target leaks."""
    stored_run(path, seconds=seconds, plan=scenario(seconds, soak=limits))
    store = Store(path / "run.db")
    for second in range(seconds + 5):
        store.put_target(TargetRow(second, 5.0, int(60e6 + bytes_per_s * second + 4096 * (second % 3))))
    store.close()
    return path


def asked(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["soak", *map(str, arguments)], env={"COLUMNS": "200"})
    if isinstance(found.exception, InputError):
        raise found.exception
    return found.exit_code, found.stdout


def test_a_run_without_drift_ends_with_0_and_says_what_could_be_seen(tmp_path: Path) -> None:
    status, text = asked(soaked(tmp_path / "run"))
    assert status == 0
    assert "soak: no drift" in text
    assert "600 MB/day" in text
    assert "360 MB/day" in text  # the least that could have been found in four minutes


def test_a_target_that_leaks_ends_with_1_and_is_named(tmp_path: Path) -> None:
    status, text = asked(soaked(tmp_path / "run", 1e6 / 60))
    assert status == 1
    assert "target by 1.44 GB/day, limit 600 MB/day" in text


def test_a_run_that_is_too_short_ends_with_3(tmp_path: Path) -> None:
    status, text = asked(soaked(tmp_path / "run", seconds=60))
    assert status == 3
    assert "are the least in which drift can be judged" in text


def test_a_run_whose_scenario_has_no_limits_is_looked_at_all_the_same(tmp_path: Path) -> None:
    status, text = asked(soaked(tmp_path / "run", 1e6 / 60, None))
    assert (status, "target by 1.44 GB/day" in text) == (1, True)


def test_as_json_it_is_one_document(tmp_path: Path) -> None:
    _, text = asked(soaked(tmp_path / "run"), "--json")
    document = json.loads(text)
    assert document["schema"] == "piswarm/soak/1"
    assert document["soak"]["verdict"] == "no drift"
    (target,) = (row for row in document["soak"]["metrics"] if row["metric"] == "target_memory")
    assert (target["unit"], target["limit_per_day"], target["ok"]) == ("bytes", 600e6, True)
    assert len(target["worst"][0]["blocks"]) == document["soak"]["blocks"]


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run directory"):
        asked(tmp_path)
    damaged = soaked(tmp_path / "run")
    (damaged / "run.db").write_bytes(b"no database")
    with pytest.raises(InputError, match=r"run\.db"):
        asked(damaged)
    (damaged / "scenario.yml").unlink()
    with pytest.raises(InputError, match=r"scenario\.yml"):
        asked(damaged)


def test_the_summary_and_the_report_show_it(tmp_path: Path) -> None:
    """With a line through the blocks of what drifts; a hostile name stays text."""
    path = soaked(tmp_path / "run", 1e6 / 60)
    store = Store(path / "run.db")
    found = assess(store, LIMITS.per_day)
    found.metrics[0].worst[0].subject = HOSTILE
    outcome = replace(result(), soak=found)
    console = Console(width=160, record=True, quiet=False, file=(tmp_path / "out").open("w", encoding="utf-8"))
    print_summary(console, outcome, RunDirectory(path))
    faults = Faults()
    page = render(outcome, store, scenario().to_yaml(), faults)
    store.close()
    console.file.close()
    assert "soak: drift" in (tmp_path / "out").read_text("utf-8")
    assert faults.found == []
    assert "Did anything drift?" in page
    assert "1.44 GB/day" in page
    assert "<polyline" in page
    assert HOSTILE not in page


def test_the_report_of_a_run_without_a_soak_has_no_word_of_it(tmp_path: Path) -> None:
    path = soaked(tmp_path / "run", limits=None)
    store = Store(path / "run.db")
    page = render(result(), store, scenario().to_yaml(), Faults())
    store.close()
    assert "Did anything drift?" not in page
