"""The comparison with a baseline on the page: what changed and what to do, all figures, and both distributions."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from compared_runs import stored_run
from report_example import HOSTILE, result

from master.analysis.compare.files import compare_runs
from master.judge.faults import Faults
from master.judge.result import Comparison, Floors
from master.report.advice import METRICS
from master.report.figures.compared_distributions import compared_figure
from master.report.html import render
from master.report.page.compared import compared_section
from master.store import Store


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A run in which logins take 15 % longer, and some fail, beside one in which they do not."""
    runs = tmp_path_factory.mktemp("runs")
    slower = stored_run(runs / "slower", seed=2, slower=1.15, failing=0.03)
    return compare_runs(stored_run(runs / "before"), slower, Floors())


def page(comparison: Comparison, path: Path) -> str:
    store = Store(path / "run.db", create=True)
    html = render(msgspec.structs.replace(result("FAIL"), comparison=comparison), store, "", Faults())
    store.close()
    return html


def test_what_changed_stands_first_with_what_to_do(comparison: Comparison, tmp_path: Path) -> None:
    """Each figure that changed has a row with the name of its endpoint; all figures are below, and how certain they are."""
    section = compared_section(comparison, Faults())
    assert section is not None
    assert section.advice == METRICS["baseline"]
    assert {row.outcome for row in section.changed} == {"worse"}
    assert {row.endpoint for row in section.changed} == {"all requests", "POST /login"}
    assert all(row.endpoint for row in section.rows)
    assert {row.endpoint for row in section.rows} == {"all requests", "POST /login", "GET /items"}
    html = page(comparison, tmp_path)
    for text in ("✗ Worse.", "✗ worse", "= same", METRICS["baseline"], "intervals hold together with 95 % confidence"):
        assert text in html


def test_both_distributions_are_drawn(comparison: Comparison) -> None:
    """The chart has a line of each run for each endpoint; those that changed are shown at first."""
    figure = compared_figure(comparison)
    assert figure is not None
    chart = figure.chart
    assert chart["names"][0] == "all requests"
    assert [chart["names"][row] for row in chart["shown"][:2]] == ["all requests", "POST /login"]
    login = chart["names"].index("POST /login")
    middle = chart["percents"].index(50)
    before, after = chart["baseline"]["rows"][login][middle], chart["rows"][login][middle]
    assert before == pytest.approx(40, rel=0.1)
    assert after == pytest.approx(46, rel=0.1)
    lengths = {len(row) for row in [*chart["rows"], *chart["baseline"]["rows"]]}
    assert lengths == {len(chart["percents"])}


def test_runs_that_can_not_be_compared_say_why(comparison: Comparison, tmp_path: Path) -> None:
    """Without figures there is the reason alone: no table, no chart, no advice."""
    change = msgspec.structs.replace
    refused = change(
        comparison,
        outcome="unknown",
        reason="The runs can't be compared: the scenario is another.",
        not_comparable=["the scenario is another"],
        method=None,
        overall=None,
        endpoints=[],
    )
    html = page(refused, tmp_path)
    assert "? Not compared." in html
    assert "the scenario is another" in html
    assert "Latency distribution of both runs" not in html
    assert METRICS["baseline"] not in html


def test_foreign_names_are_text(comparison: Comparison, tmp_path: Path) -> None:
    """Endpoints, runs and targets of either run bring in no element."""
    change = msgspec.structs.replace
    endpoints = [change(row, name=HOSTILE) for row in comparison.endpoints]
    run = change(comparison.baseline, run_id=HOSTILE, target=HOSTILE, started_at=HOSTILE)
    html = page(change(comparison, endpoints=endpoints, baseline=run, only_in_run=[HOSTILE], notes=[HOSTILE]), tmp_path)
    assert "<img" not in html
    assert html.count("<script") == 3
    assert html.count("&lt;img src=x onerror=alert(2)&gt;") > 5


def test_a_run_without_a_baseline_has_no_word_on_it(tmp_path: Path) -> None:
    """Most runs are compared with none."""
    assert compared_section(None, Faults()) is None
    store = Store(tmp_path / "run.db", create=True)
    assert "baseline" not in render(result(), store, "", Faults()).split("<script")[0]
    store.close()
