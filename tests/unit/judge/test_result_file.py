"""result.json of every kind of run holds the documented schema, and its rules have their numbers in the unit that their key says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import open_run
import pytest
from judged_run import fill, fit_log, run_facts, scenario
from report_example import nothing
from report_example import result as example
from result_reference import read_result, validate

from master.judge.outcome import conclude
from master.judge.project_outcome import ProjectOutcome
from master.judge.result import Result
from master.judge.seconds.fitness import FitnessLog
from master.store import ErrorRow, ExceptionRow, FitnessRow, Store

RULES = ("p95 < 50 ms over 3s", "GET /x p99 < 1 s", "rate >= 1/s", "errors < 5 %", "exceptions = 0", "GET /y max < 1 s")
CHECKS = {
    "loop_lag_p99", "worker_cpu", "node_cpu", "node_memory", "node_temperature", "throttling", "under_voltage",
    "controller_cpu", "clock_error", "missing_samples", "nodes", "excluded_share", "arrivals", "users", "local_errors",
    "latency_error", "doubtful_thresholds",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


def written(result: Result, folder: Path) -> dict[str, Any]:
    """The result as it is read from its file, which holds the schema."""
    result.write(folder / "result.json")
    return read_result(folder / "result.json")


def numbers(row: dict[str, Any]) -> dict[str, Any]:
    """The keys of a rule's numbers."""
    keys = ("limit_", "observed_")
    return {key: value for key, value in row.items() if key.startswith(keys) and not key.endswith("_text")}


def test_a_closed_run_with_rules_on_everything(store: Store, tmp_path: Path) -> None:
    """Limits and what was observed are numbers in the unit of the key; what was never measured is null."""
    fill(store)
    facts = run_facts(
        project=ProjectOutcome(exit_code=3, exceptions=2, first_exception="KeyError"), clocks_off={"pi1": 2.0}
    )
    found = written(conclude(scenario(*RULES), store, fit_log(), facts), tmp_path)
    thresholds = {row["rule"]: numbers(row) for row in found["thresholds"]}
    assert thresholds["p95 < 50 ms over 3s"] == {"limit_ms": 50.0, "observed_ms": pytest.approx(3.0, rel=0.01)}
    assert thresholds["rate >= 1/s"] == {"limit_per_s": 1.0, "observed_per_s": 3.0}
    assert thresholds["errors < 5 %"] == {"limit_share": 0.05, "observed_share": 0.0}
    assert thresholds["GET /y max < 1 s"] == {"limit_ms": 1000.0, "observed_ms": None}
    assert thresholds["exceptions = 0 (master side)"] == {"limit_count": 0.0, "observed_count": 2.0}
    assert thresholds["process_exit_code = 0 (locustfile)"] == {"limit_code": 0.0, "observed_code": 3.0}
    windowed = found["thresholds"][0]
    assert (windowed["metric"], windowed["op"], windowed["window_s"], windowed["name"]) == ("p95", "<", 3, None)
    validity = {row["check"]: numbers(row) for row in found["validity"]}
    assert validity["node_cpu"] == {"limit_percent": 90.0, "observed_percent": 20.0}
    assert validity["node_temperature"] == {"limit_c": 80.0, "observed_c": 50.0}
    assert validity["nodes"] == {"limit_count": 1, "observed_count": 1}
    assert found["requests"]["rate_per_s"] == 3.0


def test_an_open_run_has_every_check(store: Store, tmp_path: Path) -> None:
    """Every check there is has a limit with a unit, in a run of the open model that has them all."""
    open_run.fill(store)
    facts = run_facts(offered=open_run.RATE * 20, start_skew_s=0.001)
    found = written(conclude(open_run.scenario("missed < 1 %"), store, fit_log(), facts), tmp_path)
    assert {row["check"] for row in found["validity"]} == CHECKS
    assert all(len(numbers(row)) == 2 for row in [*found["thresholds"], *found["validity"]])
    assert found["load"]["model"] == "open"


def test_limits_as_numbers_are_those_that_are_shown(store: Store, tmp_path: Path) -> None:
    """The number of a limit and its text are made in two places, and say the same."""
    open_run.fill(store)
    found = written(conclude(open_run.scenario(), store, fit_log(), run_facts(offered=2000)), tmp_path)
    signs, units = {"<=": "≤", ">=": "≥"}, {"ms": " ms", "percent": " %", "c": " °C", "count": ""}
    for row in found["validity"]:
        ((key, value),) = [(key, value) for key, value in numbers(row).items() if key.startswith("limit_")]
        said = f"{signs[row['op']]} {value:g}{units[key.removeprefix('limit_')]}"
        assert row["limit_text"] in {said, f"{said} of 1", f"{value:g}"}


def test_a_run_of_which_nothing_is_known(store: Store, tmp_path: Path) -> None:
    """Without a steady second there is neither rate nor share, and no check has a number; all of that is null."""
    found = written(conclude(scenario(*RULES), store, FitnessLog(), run_facts(steady_seconds=[])), tmp_path)
    assert (found["requests"]["rate_per_s"], found["excluded_share"], found["latency_ms"]["p95"]) == (None, None, None)
    observed = [
        value for row in found["validity"] for key, value in numbers(row).items() if key.startswith("observed_")
    ]
    assert {value for value in observed if value is not None} <= {0}
    written(nothing(), tmp_path)


def test_a_run_in_which_everything_went_wrong(store: Store, tmp_path: Path) -> None:
    """Errors, exceptions, unfit seconds, faults of piswarm's own and hostile names hold the schema, too."""
    fill(store)
    store.put_fitness([FitnessRow("pi1", 7, 900.0, 99.0, 3, "loop lag above 50 ms", users=10)])
    store.add_error(ErrorRow("GET", "/x\u202e", "status 500", 3, 1.0))
    store.add_exception(ExceptionRow("Buyer", "KeyError", "'id'", "buyer.py:7", "line", 5, 0.1))
    facts = run_facts(aborted="the fleet was lost", gaps=[(3.0, 4.5)], unreported_workers=["pi1_0"])
    result = conclude(scenario(*RULES), store, fit_log(), facts)
    result.faults.append("the report: unknown")
    result.latency_ms.max = float("inf")
    found = written(result, tmp_path)
    assert (found["verdict"], len(found["errors"]), len(found["exceptions"])) == ("ABORTED", 1, 1)
    written(example("INVALID"), tmp_path)


def test_what_does_not_hold_the_schema_is_refused() -> None:
    """The schema wants every key, each rule in one unit, and no text for a number."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(example()))
    validate(found)
    for wrong in (
        {key: value for key, value in found.items() if key != "latency_ms"},
        found | {"verdict": "MAYBE"},
        found | {"excluded_share": "5 %"},
        found | {"thresholds": [found["thresholds"][0] | {"limit_share": 0.1, "observed_share": 0.2}]},
        found | {"validity": [found["validity"][0] | {"observed_percent": "20 %"}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validate(wrong)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What a program of ours reads from result.json is the result that was written."""
    result = example()
    result.scenario = result.reason = "plain"
    result.endpoints[1].name = "/plain"
    result.write(tmp_path / "result.json")
    assert msgspec.json.decode((tmp_path / "result.json").read_bytes(), type=Result) == result
