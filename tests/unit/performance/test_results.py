"""What the performance suites make of a run, and of the results of earlier ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import analyze_trends
import collect_metrics
import generate_report
import history
import pytest
import suites

STARTED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
RESULT = {
    "verdict": "PASS",
    "reason": "Every threshold held.",
    "requests": {"total": 1000, "failed": 1, "rate_per_s": 812.5},
    "latency_ms": {"p95": 4.0, "p99": 9.0},
    "endpoints": [
        {"method": "POST", "name": "/sessions/[id]/chunks", "total": 700, "latency_ms": {"p50": 2.5, "p95": 7.0}},
        {"method": "SQL", "name": "query", "total": 290, "latency_ms": {"p50": 0.1, "p95": 0.25}},
        {"method": "CHAIN", "name": "block interval", "total": 10, "latency_ms": {"p50": 10_020.0, "p95": 10_100.0}},
    ],
    "thresholds": [{"rule": "errors < 5 %", "observed_share": 0.001, "observed_text": "0.1 %", "ok": True}],
}


def summary(name: str, **changes: Any) -> dict[str, Any]:
    return suites.summarise(name, {**RESULT, **changes}, STARTED, {"max_memory_mb": 200})


def written(results: Path, name: str, values: list[float], **changes: Any) -> None:
    """Results with these figures, a day apart."""
    for day, value in enumerate(values, 1):
        measured = summary(name, **changes) | {
            suites.FIGURES[name].key: value,
            "started_at": STARTED.replace(day=day).isoformat(),
        }
        suites.write(measured, results)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("api_gateway_throughput", "throughput", 812.5),
        ("blockchain_consensus", "block_time", 10.02),
        ("session_processing", "processing_time", 2.5),
        ("database_queries", "p95_query_time", 0.25),
    ],
)
def test_each_suite_has_its_figure_under_its_key(name: str, key: str, value: float) -> None:
    assert summary(name)[key] == value


def test_a_run_that_never_asked_the_endpoint_has_no_figure() -> None:
    assert summary("database_queries", endpoints=[])["p95_query_time"] is None


def test_a_result_is_written_as_the_newest_and_into_the_history(tmp_path: Path) -> None:
    written(tmp_path, "database_queries", [1.0, 2.0])
    assert json.loads((tmp_path / "database_queries.json").read_text())["p95_query_time"] == 2.0
    assert [file.name for file in sorted((tmp_path / "history").iterdir())] == [
        "database_queries-20260301T120000.json",
        "database_queries-20260302T120000.json",
    ]
    assert history.figures(history.all_of("database_queries", tmp_path), "database_queries") == [1.0, 2.0]


def test_results_of_an_unfit_generator_are_no_figures(tmp_path: Path) -> None:
    written(tmp_path, "database_queries", [1.0, 2.0], verdict="INVALID")
    assert history.figures(history.all_of("database_queries", tmp_path), "database_queries") == []


@pytest.mark.parametrize(
    "damage",
    ["", "[]", '{"suite": 1}', '{"suite": "x", "started_at": "", "verdict": "PASS", "throughput": "fast"}'],
)
def test_a_damaged_result_is_named_and_not_skipped(tmp_path: Path, damage: str) -> None:
    (tmp_path / "api_gateway_throughput.json").write_text(damage)
    with pytest.raises(history.HistoryError, match=r"api_gateway_throughput\.json"):
        history.newest(tmp_path)
    for command in (collect_metrics, generate_report):
        assert command.main(["--results", str(tmp_path)]) == 2


def test_metrics_are_collected_for_people_and_for_prometheus(tmp_path: Path) -> None:
    written(tmp_path, "database_queries", [1.5])
    written(tmp_path, "session_processing", [2.5], verdict="FAIL")
    assert collect_metrics.main(["--results", str(tmp_path)]) == 0
    collected = json.loads((tmp_path / "metrics.json").read_text())
    assert collected["database_queries"]["value"] == 1.5
    assert (collected["session_processing"]["gates_held"], collected["session_processing"]["gates"]) == (1, 1)
    lines = (tmp_path / "metrics.prom").read_text().splitlines()
    assert 'piswarm_performance{figure="p95_query_time",suite="database_queries",unit="ms"} 1.5' in lines
    assert 'piswarm_performance_passed{suite="session_processing"} 0.0' in lines


def test_the_report_shows_figures_gates_and_history(tmp_path: Path) -> None:
    """What a run has said can't become markup."""
    written(tmp_path, "database_queries", [1.0, 3.0, 2.0], reason="<script>alert(1)</script>")
    assert generate_report.main(["--results", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "p95_query_time 2.0 ms" in page
    assert "errors &lt; 5 %" in page
    assert "<script>" not in page
    assert 'points="2.0,38.0 120.0,2.0 238.0,20.0"' in page


def test_a_trend_needs_two_results() -> None:
    assert analyze_trends.trend([1.0], smaller_is_better=True) is None


@pytest.mark.parametrize(
    ("values", "smaller_is_better", "worst"),
    [
        ([1.0, 2.0, 3.0], True, True),
        ([1.0, 2.0, 3.0], False, False),
        ([3.0, 2.0, 1.0], False, True),
        ([1.0, 3.0, 2.0], True, False),
        ([1.0, 2.0, 2.0], True, False),  # as bad as another is not the worst of all
    ],
)
def test_the_newest_figure_is_the_worst_only_beyond_all_others(
    values: list[float], smaller_is_better: bool, worst: bool
) -> None:
    found = analyze_trends.trend(values, smaller_is_better=smaller_is_better)
    assert found.is_worst is worst
    assert found.chance == 1 / 3


def test_worse_is_said_only_where_chance_says_it_rarely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """19 earlier results for a false alarm in 20."""
    written(tmp_path, "database_queries", [1.0 + day / 100 for day in range(19)])
    assert analyze_trends.main(["--results", str(tmp_path)]) == 0
    assert "the worst so far" in capsys.readouterr().out
    written(tmp_path, "database_queries", [1.0 + day / 100 for day in range(20)])
    assert analyze_trends.main(["--results", str(tmp_path)]) == 1
    assert "WORSE (by chance the worst in 5.0 % of cases)" in capsys.readouterr().out
    assert analyze_trends.main(["--results", str(tmp_path), "--alarm", "1"]) == 0


def test_each_command_says_that_there_are_no_results(tmp_path: Path) -> None:
    for command in (collect_metrics, generate_report, analyze_trends):
        assert command.main(["--results", str(tmp_path)]) == 2


def test_the_configuration_names_every_suite_and_a_scenario_that_is_there() -> None:
    for name in suites.FIGURES:
        assert (suites.FOLDER / suites.configuration()["suites"][name]["scenario"]).is_file()
        assert suites.rules(name)


def test_a_configuration_that_lacks_something_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "performance.yml"
    file.write_text("suites: {database_queries: {scenario: x.yml}}")
    with pytest.raises(suites.SuiteError, match=r"suites\.api_gateway_throughput needs scenario, nodes and duration"):
        suites.configuration(file)
