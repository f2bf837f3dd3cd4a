"""Trends over run directories: what changed since which run, what is left out and why, and the command."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_example import HOSTILE
from trend_runs import put_run, put_runs, result_of

from master.analysis.trend.document import Trend, TrendRun
from master.analysis.trend.metrics import METRICS, Figures
from master.analysis.trend.trend import all_series, trend_of
from master.cli import main
from master.judge.result import Floors, Gap, Nodes
from master.report.trend.page import render
from master.report.trend.terminal import bars
from master.scenario import ExpectedNodes, Stage


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 16 runs; from run-10 on logins take 15 % longer, and 3 % of them fail."""
    folder = tmp_path_factory.mktemp("trend") / "runs"
    list(put_runs(folder, 16, seed=2, slower_from=10))
    return folder


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed."""
    return Path(shutil.copytree(runs, tmp_path / "runs"))


def changes(trend: Trend) -> dict[tuple[str, str], list[str]]:
    """The runs since which something changed, by what changed."""
    return {
        (series.label, series.metric): [trend.runs[change.run].name for change in series.changes]
        for series in trend.series
        if series.changes
    }


def left_out(trend: Trend) -> dict[str, str]:
    """Why runs are no part of the trend, by name."""
    return {run.name: run.left_out for run in trend.runs if run.left_out is not None}


def piswarm(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["piswarm", "trend", *map(str, words)])
    try:
        return main()
    except SystemExit as end:
        return int(end.code or 0)


def test_what_changed_is_named_with_the_run_since_which_it_did(runs: Path) -> None:
    """A slower endpoint is found in all of its latencies and errors, since the run that was slower first, and nowhere else."""
    trend = trend_of([runs], Floors())
    found = changes(trend)
    assert {metric for label, metric in found if label == "POST /login"} == {
        "errors_share", "p50_ms", "p90_ms", "p95_ms", "p99_ms",
    }  # fmt: skip
    assert {label for label, _ in found} == {"POST /login", "all requests"}
    assert set(map(tuple, found.values())) == {("run-10",)}
    p95 = next(series for series in trend.series if (series.label, series.metric) == ("POST /login", "p95_ms"))
    (change,) = p95.changes
    assert change.outcome == "worse"
    assert change.relative_low is not None
    assert change.relative_high is not None
    assert change.relative_low <= 0.15 <= change.relative_high
    assert change.difference_low <= change.difference <= change.difference_high
    assert p95.level == pytest.approx(change.after)


def test_a_figure_that_falls_is_better_where_less_is_better(tmp_path: Path) -> None:
    """A latency that falls has become better, and a rate that falls worse."""
    dice = np.random.default_rng(2)
    for number in range(12):
        made = result_of(number, dice, slower=1.0 if number < 6 else 0.7)
        for row in made.endpoints:
            row.rate_per_s = (row.rate_per_s or 0) * (1.0 if number < 6 else 0.5)
        put_run(tmp_path / f"run-{number:02}", made)
    trend = trend_of([tmp_path], Floors())
    outcomes = {(series.name, series.metric): series.changes[0].outcome for series in trend.series if series.changes}
    assert outcomes["/login", "p95_ms"] == "better"
    assert outcomes["/login", "rate_per_s"] == "worse"


def test_floors_say_what_is_named(runs: Path) -> None:
    """Changes below the floors are not named, whatever is certain of them."""
    assert not changes(trend_of([runs], Floors(share=0.3, error_share=0.1)))


def test_few_runs_have_values_and_no_changes(runs: Path) -> None:
    """With fewer runs than a change needs, the values are shown."""
    trend = trend_of([runs / "run-09", runs / "run-10"], Floors())
    assert trend.used == 2
    assert not changes(trend)
    assert all(len([value for value in series.values if value is not None]) == 2 for series in trend.series)


def test_runs_that_do_not_belong_together_are_left_out_with_the_reason(copied: Path) -> None:
    """Other scenarios, loads and fleets, invalid, unfinished, damaged and copied runs are left out, and each says why."""
    dice = np.random.default_rng(9)
    put_run(copied / "invalid", result_of(20, dice, verdict="INVALID", reason="Two nodes were hot."))
    put_run(copied / "aborted", result_of(21, dice, verdict="ABORTED", reason="Interrupted."))
    put_run(copied / "scenario", result_of(-1, dice), name="another")
    put_run(copied / "load", result_of(-2, dice), load=(Stage(users=99, spawn_rate=2, hold_s=60.0),))
    put_run(copied / "fleet", result_of(-3, dice), nodes=ExpectedNodes(9, 9))
    real = Nodes(expected=3, peak=3, lost=0, quarantined=0, ready_s=1.0, simulated=False)
    put_run(copied / "real", result_of(-4, dice, nodes=real))
    shutil.copytree(copied / "run-03", copied / "same")
    (copied / "killed").mkdir()
    (copied / "killed" / "run.db").touch()
    (put_run(copied / "damaged", result_of(22, dice)) / "result.json").write_bytes(b"{")
    (put_run(copied / "bare", result_of(23, dice)) / "scenario.yml").unlink()
    (copied / "notes").mkdir()
    trend = trend_of([copied], Floors())
    reasons = left_out(trend)
    for name, said in {
        "invalid": "INVALID: Two nodes were hot.",
        "aborted": "ABORTED: Interrupted.",
        "scenario": "other scenario: compared in the baseline, another in the run",
        "load": "other load",
        "fleet": "other fleet: nodes expected",
        "real": "other fleet",
        "same": "it is the same run as",
        "killed": "was killed",
        "damaged": "is no result of a run",
        "bare": "no such file",
    }.items():
        assert said in reasons.pop(name)
    assert not reasons
    assert trend.like == "run-15"
    assert trend.used == 16
    assert changes(trend) == {
        key: [name] for key, (name,) in changes(trend_of([copied / f"run-{n:02}" for n in range(16)], Floors())).items()
    }


def test_the_runs_that_belong_together_are_those_like_the_one_named(copied: Path) -> None:
    """By itself the newest run decides what the others must be like; --like names another, which need not be part of them."""
    put_run(copied / "newer", result_of(40, np.random.default_rng(1)), name="another")
    newest = trend_of([copied], Floors())
    assert (newest.like, newest.used) == ("newer", 1)
    assert trend_of([copied], Floors(), copied / "run-00").used == 16
    assert trend_of([copied / "run-01"], Floors(), copied / "run-00").used == 1


def test_what_else_differs_is_noted(copied: Path) -> None:
    """Another version or target is said beside a run that is part of the trend."""
    made = result_of(-1, np.random.default_rng(1), gaps=[Gap(from_s=1, to_s=2)])
    made.versions.locust = "0.1"
    put_run(copied / "old", made, target="http://elsewhere")
    notes = {run.name: run.notes for run in trend_of([copied], Floors()).runs if run.notes}
    assert "another target" in " ".join(notes["old"])
    assert "another version of Locust" in " ".join(notes["old"])
    assert list(notes) == ["old"]


def test_figures_that_can_not_be_are_none(copied: Path) -> None:
    """Results with negative, infinite and enormous figures cost their own values alone."""
    dice = np.random.default_rng(1)
    for number, (total, failed, rate) in enumerate([(-5, 3, -1.0), (10, -3, 1e300), (0, 0, 0.0), (10, 99, 5e-324)]):
        made = result_of(number - 9, dice)
        made.endpoints[0].total, made.endpoints[0].failed, made.endpoints[0].rate_per_s = total, failed, rate
        made.endpoints[0].latency_ms.p95 = [-1.0, float("inf"), 0.0, None][number]
        put_run(copied / f"odd{number}", made)
    trend = trend_of([copied], Floors())
    p95 = next(series for series in trend.series if (series.name, series.metric) == ("/login", "p95_ms"))
    assert p95.values[:4] == [None] * 4
    assert trend.runs[p95.changes[0].run].name == "run-10"
    assert "<svg" in render(trend)


def test_an_endpoint_that_some_runs_lack_has_no_value_there(copied: Path) -> None:
    """An endpoint that appears later has null before, and a change is named by its place among all runs."""
    dice = np.random.default_rng(3)
    for number in range(-8, 0):
        made = result_of(number, dice)
        made.endpoints = [row for row in made.endpoints if row.name != "/login"]
        put_run(copied / f"early{number}", made)
    trend = trend_of([copied], Floors())
    p50 = next(series for series in trend.series if (series.name, series.metric) == ("/login", "p50_ms"))
    assert p50.values[:8] == [None] * 8
    assert trend.runs[p50.changes[0].run].name == "run-10"


@pytest.mark.parametrize("shown", ["missing", "empty", "invalid"])
def test_what_has_no_run_is_refused_in_one_line(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    """Paths without a run, and runs of which none can be used, are the operator's input, told with what to do."""
    (tmp_path / "empty").mkdir()
    put_run(tmp_path / "invalid", result_of(1, np.random.default_rng(1), verdict="INVALID", reason="Hot."))
    assert piswarm(monkeypatch, tmp_path / shown) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize(
    "words", [("--floor", "5"), ("--latency-floor", "x"), ("--html", "/nowhere/trend.html"), ("--like", "/nowhere")]
)
def test_wrong_options_are_refused(runs: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]) -> None:
    """A floor without a unit, a page that can't be written, and a run that is none are refused."""
    assert piswarm(monkeypatch, runs, *words) == 2


def test_the_command_prints_changes_latest_values_and_what_was_left_out(
    copied: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table has the changes with their runs, and the whole run's latest figures; --all adds the endpoints without a change."""
    put_run(copied / "invalid", result_of(20, np.random.default_rng(1), verdict="INVALID", reason="[bold]Hot[/bold]"))
    assert piswarm(monkeypatch, copied) == 0
    out = capsys.readouterr().out
    assert "run-10" in out
    assert "left out: invalid: it is INVALID: [bold]Hot[/bold]" in out
    assert "GET /items" not in out
    assert out.rstrip().splitlines()[-1].endswith("for the worse at least once")
    assert piswarm(monkeypatch, copied, "--all") == 0
    assert "GET /items" in capsys.readouterr().out


def test_json_is_one_document_of_which_each_series_has_a_value_per_run(
    runs: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document names its schema, and values stand in the order of the runs."""
    assert piswarm(monkeypatch, runs, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "piswarm/trend/1"
    assert all(len(series["values"]) == len(found["runs"]) == 16 for series in found["series"])
    assert {series["metric"] for series in found["series"]} == {
        "rate_per_s", "errors_share", "p50_ms", "p90_ms", "p95_ms", "p99_ms",
    }  # fmt: skip


def test_names_with_markup_stay_text(tmp_path: Path) -> None:
    """An endpoint, a scenario and a reason that look like markup are escaped on the page."""
    dice = np.random.default_rng(1)
    for number in range(7):
        made = result_of(number, dice, scenario=HOSTILE)
        made.endpoints[0].name = HOSTILE
        put_run(tmp_path / f"run-{number}", made)
    put_run(tmp_path / "other", result_of(8, dice, verdict="INVALID", reason=HOSTILE))
    page = render(trend_of([tmp_path], Floors()))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_a_page_of_many_runs_stays_small() -> None:
    """Of hundreds of endpoints over hundreds of runs the page has a few megabytes: points say their run only where that is affordable."""
    dice = np.random.default_rng(1)
    endpoints = [("GET", f"/{number}") for number in range(210)]
    values = {metric: [float(value) for value in dice.lognormal(3, 0.02, 100)] for metric in METRICS}
    figures = [
        {key: Figures(1000, {metric: values[metric][run] / 100 for metric in METRICS}) for key in [None, *endpoints]}
        for run in range(100)
    ]
    runs = [
        TrendRun(name=f"run-{n}", directory="", started_at=None, verdict="PASS", left_out=None, notes=[])
        for n in range(100)
    ]
    trend = Trend(
        scenario="many", like="run-1", floors=Floors(), false_discovery_rate=0.01, min_runs=6, runs=runs,
        series=all_series(figures, Floors(share=9.0, error_share=1.0)),
    )  # fmt: skip
    page = render(trend)
    assert len(page) < 4e6
    assert "11 endpoints more" in page


def test_bars_show_the_least_and_the_largest() -> None:
    """Bars go from the least value to the largest, and a value that never changes is a low line."""
    assert bars([1.0, 2.0, 3.0]) == "▁▅█"
    assert bars([2.0, 2.0]) == "▁▁"
    assert bars([]) == ""
