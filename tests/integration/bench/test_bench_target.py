"""`make bench-target` for real, but small: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benches import Bench
from processes import ROOT
from target_gates import Gate, ceiling, floor, gates_of_run

BENCH = Bench("target")


def test_each_gate_is_shown_with_what_was_reached_and_its_margin(tmp_path: Path) -> None:
    """The table has the document's figures, gate by gate."""
    printed, progress, document = BENCH.measure(tmp_path, "--only chunks")
    assert document["schema"] == "piswarm/bench/target/1"
    assert [gate["figure"] for gate in document["gates"]][:2] == ["gzip level 6", "reduction"]
    for gate in document["gates"]:
        row = next(line for line in printed.splitlines() if gate["figure"] in line)
        assert f"{gate['sign']} {gate['bound']:g} {gate['unit']}" in row
        assert f"{gate['reached']:.4g} {gate['unit']}" in row
        assert row.rstrip().endswith("ok" if gate["holds"] else "FAIL")
    held = sum(gate["holds"] for gate in document["gates"])
    assert f"{held} of {len(document['gates'])} gates hold" in printed
    assert "measuring chunks" in progress


def test_an_area_that_there_is_not_is_named(tmp_path: Path) -> None:
    """A wrong --only exits with 2, names all areas, and writes nothing."""
    out = tmp_path / "target.json"
    done = BENCH.run("--only", "chunks,nope", "--out", str(out))
    assert done.returncode == 2
    assert "'nope' is none of gateway, sessions, chunks, database, chain, single, many" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("gate", "holds", "margin"),
    [
        (floor("a", "rate", 100, "/s", 250.0), True, 2.5),
        (floor("a", "rate", 100, "/s", 100.0), False, 1.0),
        (ceiling("a", "p95", 50, "ms", 10.0), True, 5.0),
        (ceiling("a", "p95", 50, "ms", 100.0), False, 0.5),
        (ceiling("a", "errors", 5, "%", 0.0), True, None),
        (ceiling("a", "p95", 50, "ms", None), False, None),
        (Gate("a", "rate", ">=", 100, "/s", 100.0), True, 1.0),
        (Gate("a", "p95", "<=", 50, "ms", 50.0), True, 1.0),
    ],
)
def test_a_gate_holds_within_its_bound(gate: Gate, holds: bool, margin: float | None) -> None:
    """The margin says how many times better than the bound it is; what could not be measured does not hold."""
    assert (gate.holds, gate.margin) == (holds, margin)


def test_the_name_of_an_endpoint_is_shown_as_it_is() -> None:
    """The brackets of an endpoint are no markup."""
    # In a process of its own: each bench has a module `show`.
    code = f"""
import sys
sys.path += [{str(ROOT / "tests/bench/target")!r}, {str(ROOT / "tests/bench")!r}, {str(ROOT / "tests")!r}]
from target_gates import floor
from rich.console import Console
from show import print_table
gate = floor("gateway", "GET /sessions/[id] rate", 800, "/s", 1200.0)
print_table(Console(width=120), machine={{"cpu": "a", "cores": 2}}, database="SQLite", gates=[gate], took_s=1.0)
"""
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "GET /sessions/[id] rate" in shown.stdout


def test_the_thresholds_of_a_run_are_gates_in_peoples_units() -> None:
    """Shares become percent, and a rule that the scenario did not give is no gate."""
    thresholds: list[dict[str, Any]] = [
        {"rule": "GET /health p95 < 50 ms", "value": 2.5},
        {"rule": "errors < 5 %", "value": 0.01},
        {"rule": "rate > 800/s", "value": None},
        {"rule": "exceptions = 0 (default)", "value": 0},
    ]
    assert gates_of_run("gateway", thresholds) == [
        Gate("gateway", "GET /health p95", "<", 50.0, "ms", 2.5),
        Gate("gateway", "errors", "<", 5.0, "%", 1.0),
        Gate("gateway", "rate", ">", 800.0, "/s", None),
    ]
