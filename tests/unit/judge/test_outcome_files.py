"""A fault in one part of result.json, junit.xml and report.html costs none of the others."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from judged_run import NODE, fill, fit_log, run_facts, scenario
from report_example import result as example
from report_example import tally
from rich.console import Console

from master.judge.outcome import conclude
from master.judge.result import Result
from master.judge.seconds.fitness import FitnessLog
from master.report.files import write_outcome
from master.report.terminal.summary import print_summary
from master.run.directory import RunDirectory
from master.store import FitnessRow, Store

TABLES = ["endpoints", "requests", "seconds", "nodes", "samples", "fitness", "events", "errors"]


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


@pytest.fixture
def store(directory: RunDirectory) -> Iterator[Store]:
    store = Store(directory.database, create=True)
    fill(store)
    yield store
    store.close()


def read(directory: RunDirectory) -> tuple[dict[str, Any], ET.Element, str]:
    return (
        json.loads(directory.result.read_bytes()),
        ET.parse(directory.junit).getroot(),
        directory.report.read_text(encoding="utf-8"),
    )


@pytest.mark.parametrize("table", TABLES)
def test_whatever_table_can_not_be_read_the_files_are_there_and_say_so(
    table: str, store: Store, directory: RunDirectory
) -> None:
    """With any table unreadable all files are written and say so, and without a table that the verdict needs it is not PASS."""
    store._db.execute(f"DROP TABLE {table}")
    write_outcome(conclude(scenario("p95 < 1 s"), store, fit_log(), run_facts()), store, "name: x\n", directory)
    result, junit, report = read(directory)
    assert any(f"no such table: main.{table}" in fault or table in fault for fault in result["faults"])
    assert f"no such table: {table}" in report
    assert result["verdict"] in report
    assert junit.find("testsuite[@name='thresholds']/testcase") is not None
    if table in ("endpoints", "requests", "nodes", "fitness"):
        assert result["verdict"] == "INVALID"


@pytest.mark.parametrize("column", ["histogram", "failures"])
def test_a_damaged_histogram_costs_the_latencies_it_had_and_nothing_else(
    column: str, store: Store, directory: RunDirectory
) -> None:
    """A damaged histogram leaves counts known and rules on them judged; rules on latencies that are incomplete are unknown."""
    rules = ("p95 < 1 s", "GET /x p95 < 1 s", "POST /y p95 < 1 s", "rate > 1/s", "errors < 5 %")
    store.add_requests(7, ("POST", "/y"), tally(3.0), fit=True)
    whole = conclude(scenario(*rules), store, fit_log(), run_facts())
    assert whole.faults == []
    assert {row.ok for row in whole.thresholds} == {True}
    store._db.execute(
        f"UPDATE requests SET {column} = x'c1' WHERE second = 7 AND endpoint = (SELECT id FROM endpoints WHERE name = '/x')"
    )
    write_outcome(conclude(scenario(*rules), store, fit_log(), run_facts()), store, "name: x\n", directory)
    result, _, report = read(directory)
    assert result["requests"] == json.loads(json.dumps(msgspec.to_builtins(whole.requests)))
    assert [row["ok"] for row in result["thresholds"]] == [None, None, True, True, True]
    assert result["verdict"] == "INVALID"
    (fault,) = result["faults"]
    assert fault == "latencies: those of GET /x in 1 second are missing, run.db is damaged there"
    assert "requests over time: unknown" not in report


def test_a_damaged_histogram_outside_of_the_steady_part_leaves_every_rule_judged(store: Store) -> None:
    store.add_requests(1, ("GET", "/x"), tally(3.0), fit=True)
    store._db.execute("UPDATE requests SET histogram = x'c1' WHERE second = 1")
    result = conclude(scenario("p95 < 1 s"), store, fit_log(), run_facts())
    assert [row.ok for row in result.thresholds] == [True]
    assert len(result.faults) == 1


def test_a_report_that_can_not_be_made_at_all_says_the_outcome_in_words(store: Store, directory: RunDirectory) -> None:
    """When the report can't be made, it gives the outcome in words, result.json names the fault, and other files are whole."""
    result = conclude(scenario("p95 < 1 s"), store, fit_log(), run_facts())
    result.clocks_off = None  # type: ignore[assignment]
    write_outcome(result, store, "name: x\n", directory)
    written, junit, report = read(directory)
    assert written["verdict"] == "PASS"
    assert [fault.partition(":")[0] for fault in written["faults"]] == ["the report"]
    assert junit.get("failures") == junit.get("errors") == "0"
    assert "PASS: Every threshold held" in report
    assert "a fault of piswarm's own: TypeError" in report.replace("&#x27;", "'")


def test_a_junit_that_can_not_be_made_is_an_error_with_the_verdict(store: Store, directory: RunDirectory) -> None:
    result = conclude(scenario("p95 < 1 s"), store, fit_log(), run_facts())
    result.target = None  # type: ignore[assignment]
    write_outcome(result, store, "name: x\n", directory)
    written, junit, report = read(directory)
    assert [fault.partition(":")[0] for fault in written["faults"]] == ["junit.xml"]
    (error,) = junit.iter("error")
    assert error.get("message", "").startswith("PASS: ")
    assert "PASS" in report


def test_a_file_that_can_not_be_written_costs_none_of_the_others(
    store: Store, directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that can't be written is written elsewhere and its place is told, and the other files are written."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    directory.junit.mkdir()
    result = conclude(scenario(), store, fit_log(), run_facts())
    (said,) = write_outcome(result, store, "name: x\n", directory)
    (other,) = elsewhere.rglob("junit.xml")
    assert said == f"junit.xml can't be written to {directory.path}: Is a directory; it is {other}"
    assert ET.parse(other).getroot().get("failures") == "0"
    assert json.loads(directory.result.read_bytes())["verdict"] == "PASS"
    assert "PASS" in directory.report.read_text(encoding="utf-8")


def test_json_holds_what_it_can_of_values_that_it_has_not(directory: RunDirectory) -> None:
    """In JSON infinity becomes the largest number, NaN becomes null, and half of a surrogate pair a question mark."""
    result: Result = example()
    result.latency_ms.max, result.latency_ms.p50 = float("inf"), float("nan")
    result.requests.total = 1 << 70
    result.run_id = "run-\udcff"
    result.write(directory.result)
    read = json.loads(directory.result.read_bytes(), parse_constant=pytest.fail)
    assert (read["latency_ms"]["max"], read["latency_ms"]["p50"]) == (1.7976931348623157e308, None)
    assert read["requests"]["total"] == (1 << 63) - 1
    assert read["run_id"] == "run-?"


def test_a_chart_of_the_largest_numbers_there_are_can_be_drawn(store: Store, directory: RunDirectory) -> None:
    """A chart of the largest numbers has an axis whose range is beyond them."""
    store.put_fitness([FitnessRow(NODE, 6, 1.7e308, 20.0, 3, "", users=10)])
    store.put_fitness([FitnessRow(NODE, second, 1.7e308, None, 0, "") for second in range(20)])
    result = conclude(scenario("p95 < 1 s"), store, fit_log(), run_facts())
    write_outcome(result, store, "name: any\n", directory)
    assert read(directory)[0]["faults"] == []


@pytest.mark.parametrize("aborted", ["The target did not answer.", None])
def test_a_rule_or_check_without_data_is_broken_only_where_the_run_was_not_aborted(
    aborted: str | None, directory: RunDirectory
) -> None:
    """A threshold or check without data is not ok in result.json; it is shown as broken, or as one without data where the run was aborted."""
    store = Store(directory.database, create=True)
    result = conclude(scenario("p95 < 1 s"), store, FitnessLog(), run_facts(steady_seconds=[], aborted=aborted))
    write_outcome(result, store, "name: x\n", directory)
    store.close()
    written, junit, report = read(directory)
    console = Console(file=io.StringIO(), width=200)
    print_summary(console, result, directory)
    assert isinstance(console.file, io.StringIO)
    printed = [line.split() for line in console.file.getvalue().splitlines()]
    start = ["no", "data"] if aborted else ["broken"]
    rows = [row for row in result.validity if row.observed_text == "no data"]
    assert {"loop_lag_p99", "node_cpu", "nodes", "users"} <= {row.check for row in rows}
    assert [row["ok"] for row in written["validity"] if row["observed_text"] == "no data"] == [False] * len(rows)
    for row in rows:
        case = junit.find(f"testsuite[@name='validity']/testcase[@name='{row.check}']")
        assert case is not None
        assert [child.tag for child in case] == ["skipped" if aborted else "failure"]
        assert [*start, row.check] in [line[: len(start) + 1] for line in printed]
    rules = [row for row in result.thresholds if row.observed_text == "no data"]
    assert [row.ok for row in rules] == [False]
    for rule in rules:
        assert [*start, *rule.rule.split()] in [line[: len(start) + len(rule.rule.split())] for line in printed]
    assert report.count('<span class="unknown">– no data</span>') == (len(rows) + len(rules) if aborted else 0)
    assert ("✗ not fit" in report) is (aborted is None)
