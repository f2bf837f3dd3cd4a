"""Runs a suite by `piswarm run`, and writes what it measured: the newest into results/, every one with its date into results/history/."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import yaml

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
CONFIGURATION = FOLDER / "performance.yml"
LOOK_S = 0.5
"""Interval at which the use of memory is read, in seconds."""

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """The one number of a suite that reports and trends go by: how it is found in a run's result.json."""

    key: str
    unit: str
    smaller_is_better: bool
    of: Callable[[Result], float | None]


def endpoint(result: Result, method: str, name: str) -> Mapping[str, Any] | None:
    """What was measured of one endpoint; None where it was not asked."""
    return next((each for each in result["endpoints"] if (each["method"], each["name"]) == (method, name)), None)


def percentile(method: str, name: str, percent: str, divisor: float = 1.0) -> Callable[[Result], float | None]:
    """How to find a percentile of an endpoint, in ms divided by `divisor`."""

    def find(result: Result) -> float | None:
        found = endpoint(result, method, name)
        value = None if found is None else found["latency_ms"][percent]
        return None if value is None else value / divisor

    return find


def observed(threshold: Mapping[str, Any]) -> float | None:
    """What was observed of a threshold, in whatever unit its key has; None where that is unknown."""
    keys = [key for key in threshold if key.startswith("observed_") and key != "observed_text"]
    return threshold[keys[0]] if keys else None


FIGURES = {
    "api_gateway_throughput": Figure("throughput", "req/s", False, lambda result: result["requests"]["rate_per_s"]),
    "blockchain_consensus": Figure("block_time", "s", True, percentile("CHAIN", "block interval", "p50", 1000)),
    "session_processing": Figure(
        "processing_time", "ms per chunk", True, percentile("POST", "/sessions/[id]/chunks", "p50")
    ),
    "database_queries": Figure("p95_query_time", "ms", True, percentile("SQL", "query", "p95")),
}


class SuiteError(Exception):
    """A suite can't be run, or has measured nothing."""


def configuration(file: Path = CONFIGURATION) -> Mapping[str, Any]:
    """The performance configuration. Raises SuiteError for one that does not say what to run."""
    found = yaml.safe_load(file.read_text("utf-8"))
    for name in FIGURES:
        suite = (found.get("suites") or {}).get(name) or {}
        if set(suite) != {"scenario", "nodes", "duration"}:
            raise SuiteError(f"{file}: suites.{name} needs scenario, nodes and duration")
    return found


def rules(name: str) -> list[str]:
    """The thresholds of a suite's scenario, as they are written there."""
    scenario = yaml.safe_load((FOLDER / configuration()["suites"][name]["scenario"]).read_text("utf-8"))
    return list(scenario["thresholds"])


def measure(name: str, results: Path | None = None) -> dict[str, Any]:
    """Run the suite, write its result below `results`, and return it. Raises SuiteError where the run has measured nothing."""
    settings = configuration()
    suite = settings["suites"][name]
    started_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="piswarm-performance-") as folder:
        out = Path(folder, "run")
        command = [sys.executable, "-m", "master.cli", "run", str(FOLDER / suite["scenario"]), "--out", str(out)]
        command += ["--local", str(suite["nodes"]), "--duration", suite["duration"]]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        ) as process:
            memory = _MemoryWatch(process.pid)
            printed, _ = process.communicate()
            memory.end()
        if not (out / "result.json").is_file():
            raise SuiteError(f"{' '.join(command)} ended with {process.returncode}:\n{printed[-2000:]}")
        result = json.loads((out / "result.json").read_text("utf-8"))
        storage_bytes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    usage = {"max_memory_mb": round(memory.max_bytes / 2**20), "storage_mb": round(storage_bytes / 2**20, 1)}
    measured = summarise(name, result, started_at, usage)
    write(measured, FOLDER / settings["results"] if results is None else results)
    return measured


def summarise(name: str, result: Result, started_at: datetime, usage: Mapping[str, float]) -> dict[str, Any]:
    """What is kept of a run: the suite's figure, its gates, and whether the generator was fit."""
    figure = FIGURES[name]
    value = figure.of(result)
    return {
        "suite": name,
        "started_at": started_at.isoformat(timespec="seconds"),
        figure.key: None if value is None else round(value, 4),
        "unit": figure.unit,
        "verdict": result["verdict"],
        "reason": result["reason"],
        "requests": result["requests"]["total"],
        "failed": result["requests"]["failed"],
        "requests_per_s": result["requests"]["rate_per_s"],
        "p95_ms": result["latency_ms"]["p95"] if result["latency_ms"] else None,
        "p99_ms": result["latency_ms"]["p99"] if result["latency_ms"] else None,
        "gates": [
            {"rule": each["rule"], "value": observed(each), "observed": each["observed_text"], "ok": each["ok"]}
            for each in result["thresholds"]
        ],
        "endpoints": {f"{each['method']} {each['name']}": each["total"] for each in result["endpoints"]},
        "usage": dict(usage),
    }


def write(measured: Mapping[str, Any], results: Path) -> None:
    """Write the suite's newest result, and the same with its date into the history."""
    history = results / "history"
    history.mkdir(parents=True, exist_ok=True)
    text = json.dumps(measured, indent=2) + "\n"
    moment = re.sub(r"[^0-9T]", "", measured["started_at"].partition("+")[0])
    (history / f"{measured['suite']}-{moment}.json").write_text(text, "utf-8")
    (results / f"{measured['suite']}.json").write_text(text, "utf-8")


def main(name: str) -> int:
    """The suite as a command: 0 where every gate held, 1 where one broke, 3 where the generator was not fit, 2 for anything else."""
    try:
        measured = measure(name)
    except SuiteError as error:
        print(error, file=sys.stderr)
        return 2
    figure = FIGURES[name]
    print(f"{name}: {figure.key} {measured[figure.key]} {figure.unit}")
    for gate in measured["gates"]:
        print(f"  {'ok  ' if gate['ok'] else 'FAIL'}  {gate['rule']:45} {gate['observed'] or '–'}")
    print(f"{measured['verdict']}  {measured['reason']}")
    return {"PASS": 0, "FAIL": 1, "INVALID": 3}.get(measured["verdict"], 2)


class _MemoryWatch:
    """The most memory that a process and its descendants have had together."""

    def __init__(self, pid: int) -> None:
        self.max_bytes = 0
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            used = 0
            try:
                for each in [self._process, *self._process.children(recursive=True)]:
                    used += each.memory_info().rss
            except psutil.Error:
                continue
            self.max_bytes = max(self.max_bytes, used)
