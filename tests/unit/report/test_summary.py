"""What the command prints when a run is over."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from report_example import result
from rich.console import Console

from master.judge.result import InFlight, Result
from master.report.summary import print_summary
from master.run.directory import RunDirectory


def printed(what: Result, path: Path) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_summary(console, what, RunDirectory(path))
    output = console.file
    assert isinstance(output, io.StringIO)
    return " ".join(output.getvalue().split())


@pytest.mark.parametrize(
    ("thermal_speed", "request_cpu_ms", "says"),
    [
        (10.0, None, "simulated boards warm up and cool down 10 times as fast as real ones"),
        (1.0, 20.0, "simulated a request is taken to cost 20 ms of a Pi 4's core"),
        (1.0, None, "7.5 s, 1 lost"),
    ],
)
def test_what_simulated_nodes_were_supposed_to_be_is_told_where_it_was_anything(
    tmp_path: Path, thermal_speed: float, request_cpu_ms: float | None, says: str
) -> None:
    """The summary names simulated nodes' assumptions that differ from reality: speed of heating, and the cost of a request."""
    nodes = msgspec.structs.replace(result().nodes, thermal_speed=thermal_speed, request_cpu_ms=request_cpu_ms)
    text = printed(msgspec.structs.replace(result(), nodes=nodes), tmp_path)
    assert says in " ".join(text.split())
    assert ("boards warm" in text) is (thermal_speed != 1)
    assert ("is taken to cost" in text) is (request_cpu_ms is not None)


def test_warnings_and_faults_and_what_is_unknown_are_said(tmp_path: Path) -> None:
    """Warnings, faults and unknown rules are printed literally, whatever they contain."""
    what = result("INVALID")
    what.warnings, what.faults = ["50 endpoints [id] alike"], ["the fleet: unknown, KeyError"]
    what.thresholds[0].ok = None
    text = printed(what, tmp_path)
    assert "warning 50 endpoints [id] alike" in text
    assert "fault the fleet: unknown, KeyError" in text
    assert "unknown p95 < 50 ms" in text


def test_an_endpoint_with_brackets_in_its_name_is_printed_as_it_is(tmp_path: Path) -> None:
    """An endpoint's name with brackets is printed literally, neither as markup nor as an error."""
    what = result()
    what.in_flight = InFlight(peak=2, oldest_ms=5000.0, endpoint="GET /a[/b]")
    assert "GET /a[/b]" in printed(what, tmp_path)
