"""What the command prints when a run is over."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from judged_run import SECONDS, fit_log, run_facts
from open_run import RATE, arrivals, fill, scenario
from report_example import result
from rich.console import Console

from master.judge.outcome import conclude
from master.judge.result import InFlight, Latency, Result
from master.judge.run_facts import CacheCounts
from master.report.terminal.summary import print_summary
from master.run.directory import RunDirectory
from master.store import Store


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


def test_a_run_that_measured_nothing_claims_nothing(tmp_path: Path) -> None:
    """A run that was aborted before its load broke no threshold, and has neither percentiles nor a lag to warn of."""
    what = result("ABORTED")
    what.latency_ms = what.generator_lag_ms = Latency(p50=None, p90=None, p95=None, p99=None, p999=None, max=None)
    what.thresholds[0].ok, what.thresholds[0].observed_text = False, "no data"
    text = printed(what, tmp_path)
    assert f"no data {what.thresholds[0].rule} no data" in text
    assert "latency ms no data own lag ms no data users" in text


def test_a_run_that_was_aborted_before_its_load_says_why_and_no_more(tmp_path: Path) -> None:
    """Rows without data do not hide the reason of a run that was aborted before it had a user; warnings are said."""
    what = result("ABORTED")
    what.requests = msgspec.structs.replace(what.requests, total=0)
    what.users = msgspec.structs.replace(what.users, peak=0)
    what.warnings = ["no password is known"]
    text = printed(what, tmp_path)
    assert text.startswith("warning no password is known ABORTED")
    assert what.thresholds[0].rule not in text


def test_an_endpoint_with_brackets_in_its_name_is_printed_as_it_is(tmp_path: Path) -> None:
    """An endpoint's name with brackets is printed literally, neither as markup nor as an error."""
    what = result()
    what.in_flight = InFlight(peak=2, oldest_ms=5000.0, endpoint="GET /a[/b]")
    assert "GET /a[/b]" in printed(what, tmp_path)


def test_arrivals_service_times_and_the_target_are_told_in_the_open_model(tmp_path: Path) -> None:
    """The summary tells what became of the arrivals, by whose fault, beside latencies and service times."""
    store = Store(tmp_path / "run.db", create=True)
    fill(store, arrivals(93, missed=4, late=2, given_up=1))
    facts = run_facts(offered=RATE * SECONDS, cache=CacheCounts(90, 10))
    text = printed(conclude(scenario(), store, fit_log(), facts), tmp_path)
    store.close()
    for said in (
        "arrivals 2000 offered, 1860 started (93.0/s in the holds), 140 missed (80 no user free, 20 given up, 40 lost), 40 late",
        "lateness ms p50 0.1998",
        "service ms p50 20",
        "latency ms p50 29.95",
        "target CPU 52.0 % of a core (59.0 % at most), memory 119\u00a0MiB at peak (grew by 14.0\u00a0MiB), cache hits 90\u00a0%",
    ):
        assert " ".join(said.split()) in text
    assert "offered" not in printed(result(), tmp_path)
