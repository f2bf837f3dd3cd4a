"""The tables that a run's summary has for its endpoints, errors and exceptions."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from judged_run import SECONDS, fit_log, run_facts
from open_run import RATE, arrivals, fill, scenario
from report_example import HOSTILE, nothing, result
from rich.console import Console

from master.judge.figures import MAX_KINDS
from master.judge.outcome import conclude
from master.judge.result import EndpointResult, ErrorResult, ExceptionResult, Latency, Result
from master.report.terminal.summary import print_summary
from master.report.terminal.tables import SHOWN_ENDPOINTS, SHOWN_ERRORS, tables_of
from master.run.directory import RunDirectory
from master.store import ErrorRow, ExceptionRow, Store


def lines(what: Result, *, width: int = 80, terminal: bool = False) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system="256" if terminal else None
    )
    for table in tables_of(what):
        console.print(table, highlight=False)
    output = console.file
    assert isinstance(output, io.StringIO)
    return [line.rstrip() for line in output.getvalue().splitlines()]


def endpoint(name: str, total: int, failed: int = 0) -> EndpointResult:
    return EndpointResult(
        method="GET",
        name=name,
        total=total,
        failed=failed,
        rate_per_s=total / 20,
        latency_ms=Latency(p50=1.5, p90=10.0, p95=20.0, p99=21.0, p999=400.0, max=400.0),
    )


def test_an_endpoint_has_its_figures_in_one_line(tmp_path: Path) -> None:
    """An endpoint's row has requests, failures with their share, percentiles, the slowest and the rate; the last row has all requests."""
    what = result()
    what.endpoints = [endpoint("/b", 3), endpoint("/a", 1200, 30)]
    heading, *rows = lines(what)
    assert heading.split() == ["endpoint", "requests", "failed", "p50", "ms", "p95", "p99", "max", "rate/s"]
    assert [" ".join(row.split()) for row in rows] == [
        "GET /a 1,200 30 2.5% 1.50 20.0 21.0 400 60.0",
        "GET /b 3 0 1.50 20.0 21.0 400 0.150",
        "all requests 121 30 24.8% 2.00 40.0 40.0 40.0 4.05",
    ]
    console = Console(file=io.StringIO(), width=80)
    print_summary(console, what, RunDirectory(tmp_path))
    assert rows[0] in console.file.getvalue()  # type: ignore[attr-defined]


def test_tables_are_bounded_and_say_how_much_more_there_is() -> None:
    """Of many endpoints, errors and exceptions the largest are shown, with the number of those that are not."""
    what = result()
    what.endpoints = [endpoint(f"/{number}", number) for number in range(SHOWN_ENDPOINTS + 7)]
    what.errors = [
        ErrorResult(method="GET", name="/a", error=f"status {number}", count=5000 - number, first_s=1.0)
        for number in range(MAX_KINDS)
    ]
    what.further_errors = 20
    text = "\n".join(lines(what))
    assert "and 7 more endpoints: see the report" in text
    assert "GET /31 " in text
    assert "GET /6 " not in text
    assert f"and {MAX_KINDS + 20 - SHOWN_ERRORS} more errors: see the report" in text
    assert "5,000  GET /a" in text


@pytest.mark.parametrize("width", [80, 120, 200])
def test_hostile_and_long_texts_fit_the_terminal(width: int) -> None:
    """Whatever a target or a user's code says, no line is wider than the terminal and nothing in it acts on one."""
    what = result()
    long = "x" * 500
    what.errors = [ErrorResult(method="GET", name=long, error=f"[red]{HOSTILE}\x1b[31m", count=1, first_s=0.0)]
    what.exceptions = [
        ExceptionResult(user_class=long, type="KeyError", message=HOSTILE, place="a.py:7 in page", line="", count=1)
    ]
    found = lines(what, width=width)
    assert max(map(len, found)) <= width
    assert all(line.isprintable() for line in found)
    assert len(found) < 60
    assert "[red]" in "".join(found)


def test_failures_are_coloured_on_a_terminal_alone() -> None:
    """A terminal gets colours, a file or a pipe does not."""
    assert any("\x1b[" in line for line in lines(result(), terminal=True))
    assert not any("\x1b" in line for line in lines(result()))


def test_a_run_without_requests_has_no_tables() -> None:
    """A run that was aborted before its load shows no empty tables."""
    assert lines(nothing()) == []


def test_an_open_model_has_a_table_of_arrivals_by_user_class(tmp_path: Path) -> None:
    """In the open model each user class has the number of its arrivals that were started, missed and late."""
    store = Store(tmp_path / "run.db", create=True)
    fill(store, arrivals(93, missed=4, late=2, given_up=1))
    found = conclude(scenario(), store, fit_log(), run_facts(offered=RATE * SECONDS))
    store.close()
    text = [" ".join(line.split()) for line in lines(found)]
    assert "arrivals of started missed late late by p99 ms" in text
    assert any(line.split()[1:5] == ["1,860", "100", "5.1%", "40"] for line in text), text


def test_the_result_has_the_most_frequent_errors_and_exceptions_and_how_many_more(tmp_path: Path) -> None:
    """result.json has the errors and exceptions that were seen most, with their numbers, and how many others there are."""
    store = Store(tmp_path / "run.db", create=True)
    fill(store, arrivals(93))
    for number in range(MAX_KINDS + 3):
        store.add_error(ErrorRow("GET", "/a", f"status {number}", number + 1, 2.0004))
        store.add_exception(ExceptionRow("Visitor", "KeyError", f"{number}", "a.py:7 in page", "", number + 1, 2.0))
    store.commit()
    found = conclude(scenario(), store, fit_log(), run_facts(offered=RATE * SECONDS))
    store.close()
    assert found.errors[0] == ErrorResult(
        method="GET", name="/a", error=f"status {MAX_KINDS + 2}", count=MAX_KINDS + 3, first_s=2.0
    )
    assert (len(found.errors), found.further_errors) == (MAX_KINDS, 3)
    assert (len(found.exceptions), found.further_exceptions) == (MAX_KINDS, 3)
