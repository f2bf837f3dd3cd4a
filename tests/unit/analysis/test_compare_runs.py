"""Comparing run directories: what can't be compared is refused with the reason, and what differs is named."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import compared_runs
import msgspec
import pytest
from compared_runs import scenario, stored_run
from rich.console import Console

from master.analysis.compare.files import compare_runs
from master.cli import main
from master.errors import InputError
from master.judge.result import Comparison, Floors
from master.report.comparison.markdown import comparison_markdown
from master.report.comparison.terminal import print_comparison
from master.report.markdown import summary
from master.scenario import ExpectedNodes, Stage
from worker.wire.work import UserShare


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to compare others with."""
    return stored_run(tmp_path_factory.mktemp("runs") / "before")


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which logins take 15 % longer, and some fail."""
    return stored_run(tmp_path_factory.mktemp("runs") / "slower", seed=2, slower=1.15, failing=0.03)


def piswarm(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["piswarm", *map(str, words)])
    try:
        return main()
    except SystemExit as end:
        return int(end.code or 0)


def printed(comparison: Comparison) -> str:
    out = io.StringIO()
    print_comparison(Console(file=out, width=120), comparison)
    return out.getvalue()


def test_runs_of_the_same_are_the_same(baseline: Path, tmp_path: Path) -> None:
    """Two runs of the same are the same, and the reason says within what they would have been found to differ."""
    found = compare_runs(baseline, stored_run(tmp_path / "again", seed=2), Floors())
    assert found.outcome == "same"
    assert "The change of all requests' p95 lies within" in found.reason
    assert not found.not_comparable
    assert {row.name for row in found.endpoints} == {"/login", "/items"}


def test_what_is_slower_is_named_with_its_figures(baseline: Path, slower: Path) -> None:
    """A slower endpoint is worse in its latencies and errors, and no other endpoint is."""
    found = compare_runs(baseline, slower, Floors())
    login = next(row for row in found.endpoints if row.name == "/login")
    items = next(row for row in found.endpoints if row.name == "/items")
    assert found.outcome == "worse"
    assert found.reason.startswith("POST /login ")
    assert login.p50_ms.outcome == login.p95_ms.outcome == login.error_share.outcome == "worse"
    assert login.p50_ms.change == pytest.approx(0.15, abs=0.03)
    assert login.p50_ms.change_low is not None
    assert login.p50_ms.change_high is not None
    assert login.p50_ms.change_low < 0.15 < login.p50_ms.change_high
    assert {figure.outcome for figure in items.figures.values()} == {"same"}


def test_what_is_faster_is_better(baseline: Path, slower: Path) -> None:
    """The other way round the run is better."""
    assert compare_runs(slower, baseline, Floors()).outcome == "better"


def test_a_floor_says_what_matters(baseline: Path, slower: Path) -> None:
    """Changes within the floors that an operator sets count as the same, however certain they are."""
    floors = Floors(share=0.25, latency_ms=0.2, error_share=0.1)
    assert compare_runs(baseline, slower, floors).outcome == "same"


@pytest.mark.parametrize(
    ("plan", "changed", "said"),
    [
        ({"name": "other"}, {}, "other scenario: compared in the baseline, other in the run"),
        ({"users": {"SessionUser": UserShare(weight=1)}}, {}, "other users"),
        ({"load": (Stage(users=20, spawn_rate=2, hold_s=60.0),)}, {}, "other load"),
        ({"nodes": ExpectedNodes(4, 3)}, {}, "other fleet: nodes expected: 3 in the baseline, 4 in the run"),
        ({"fleet": {"pi5-cooled": 1}}, {}, "other kinds of simulated nodes"),
        ({}, {"verdict": "INVALID"}, "the run is INVALID: All held."),
        ({}, {"verdict": "ABORTED"}, "the run is ABORTED"),
    ],
)
def test_what_can_t_be_compared_is_refused_with_the_reason(
    baseline: Path, tmp_path: Path, plan: dict[str, Any], changed: dict[str, Any], said: str
) -> None:
    """Runs of another scenario, load or fleet, and runs that are no evidence, are not compared; the reason says why."""
    found = compare_runs(baseline, stored_run(tmp_path / "run", plan=scenario(**plan), **changed), Floors())
    assert found.outcome == "unknown"
    assert found.overall is None
    assert said in found.reason
    assert "not comparable" in printed(found)


def test_a_run_that_is_too_short_is_refused(baseline: Path, tmp_path: Path) -> None:
    """Of a few steady seconds nothing can be told."""
    found = compare_runs(baseline, stored_run(tmp_path / "run", seconds=10), Floors())
    assert found.not_comparable == ["the run has 10 s of steady load, 20 s are needed: hold the load for longer"]


def test_what_may_be_the_cause_of_a_difference_is_noted(baseline: Path, tmp_path: Path) -> None:
    """Another time, target or version, and a target that failed, does not keep runs from being compared, and is told."""
    plan = scenario(40, target="http://127.0.0.1:10")
    found = compare_runs(
        baseline, stored_run(tmp_path / "run", seconds=40, plan=plan, verdict="FAIL", reason="p95 was 2 s."), Floors()
    )
    assert found.outcome == "same"
    notes = "\n".join(found.notes)
    assert "the load is held for another time" in notes
    assert "another target: http://127.0.0.1:9 in the baseline, http://127.0.0.1:10 in the run" in notes
    assert "the run is FAIL: p95 was 2 s." in notes


def test_a_machine_that_had_more_to_do_is_noted(baseline: Path, tmp_path: Path) -> None:
    """A reader is told where the controller's machine had much more to do in one of the runs, which may be why they differ."""
    found = compare_runs(baseline, stored_run(tmp_path / "busy", load=6.5), Floors())
    assert any(
        "more to do in the run: a load of 1.0 and 20 % CPU in the baseline, a load of 6.5" in note
        for note in found.notes
    )
    assert not compare_runs(baseline, stored_run(tmp_path / "idle", load=0.1), Floors()).notes


def test_the_text_has_every_figure_and_the_outcome_last(baseline: Path, slower: Path) -> None:
    """In a terminal every figure has its line, what changed comes first, and the outcome is the last line."""
    lines = printed(compare_runs(baseline, slower, Floors())).splitlines()
    assert lines[-1].startswith("worse  POST /login")
    names = [line.split("  ")[0] for line in lines if line.startswith(("all", "POST", "GET"))]
    assert names == ["all requests", "POST /login", "GET /items"]
    assert sum(" p95 " in line and "ms" in line for line in lines[:-4]) == 3


def test_markdown_lets_no_name_be_more_than_a_name(baseline: Path, slower: Path) -> None:
    """Whatever an endpoint is called, it is text in a cell of its row."""
    found = compare_runs(baseline, slower, Floors())
    found.endpoints[0].name = "/a|b<script>`x`*\n# y"
    text = comparison_markdown(found)
    assert "<script>" not in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {8}
    assert text.startswith("## Worse: <code>slower</code> beside <code>before</code>\n")


def test_the_command_s_status_says_what_became_of_the_run(
    baseline: Path, slower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 0 for the same or better, 1 for worse, 2 for wrong input, 3 for what can't be compared."""
    invalid = stored_run(tmp_path / "invalid", verdict="INVALID")
    assert piswarm(monkeypatch, "compare", baseline, baseline) == 0
    assert piswarm(monkeypatch, "compare", slower, baseline) == 0
    capsys.readouterr()
    assert piswarm(monkeypatch, "compare", baseline, slower, "--json") == 1
    found = msgspec.json.decode(capsys.readouterr().out, type=Comparison)
    assert found.outcome == "worse"
    assert piswarm(monkeypatch, "compare", baseline, invalid) == 3
    assert piswarm(monkeypatch, "compare", baseline, tmp_path / "none") == 2
    assert piswarm(monkeypatch, "compare", baseline, slower, "--json", "--markdown") == 2
    assert piswarm(monkeypatch, "compare", baseline, slower, "--floor", "ten") == 2
    assert piswarm(monkeypatch, "compare", baseline, slower, "--floor", "30 %", "--error-floor", "5 %") == 0
    assert "--floor" in capsys.readouterr().err


def test_damage_is_an_error_of_the_input(tmp_path: Path, baseline: Path) -> None:
    """A run directory without a scenario, or with a database that is none, is refused as such."""
    without = stored_run(tmp_path / "without")
    (without / "scenario.yml").unlink()
    damaged = stored_run(tmp_path / "damaged")
    (damaged / "run.db").write_bytes(b"no database" * 1000)
    for path in (without, damaged):
        with pytest.raises(InputError, match=f"{path.name}/"):
            compare_runs(baseline, path, Floors())


def test_a_comparison_survives_json(baseline: Path, slower: Path) -> None:
    """What result.json keeps of a comparison is all of it."""
    found = compare_runs(baseline, slower, Floors())
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found
    assert json.loads(msgspec.json.encode(found))["endpoints"][0]["p95_ms"]["outcome"] == "same"
    assert compared_runs.ENDPOINTS.keys() == {(row.method, row.name) for row in found.endpoints}


def test_a_run_s_summary_tells_what_changed_since_its_baseline(baseline: Path, slower: Path) -> None:
    """The summary for CI pages has the outcome beside the baseline, and the figures that changed."""
    found = compare_runs(baseline, slower, Floors())
    text = summary(compared_runs.result(comparison=found))
    assert "### Beside the baseline\n\nWorse than <code>before</code>." in text
    assert "| <code>POST /login</code> | p50 |" in text
