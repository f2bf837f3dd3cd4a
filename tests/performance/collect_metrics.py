"""Collects the newest figures of all suites into results/metrics.json, and into results/metrics.prom for Prometheus.

    python tests/performance/collect_metrics.py [--results FOLDER] [--run]

`--run` measures every suite first. metrics.prom is for the textfile collector of Prometheus's node exporter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import history
import suites
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile


def collect(measured: Mapping[str, history.Measured]) -> dict[str, dict[str, object]]:
    """The figure of each suite with its unit, its date, its verdict and how many of its gates held."""
    collected: dict[str, dict[str, object]] = {}
    for name, each in measured.items():
        key = suites.FIGURES[name].key
        gates = each.get("gates", [])
        collected[name] = {
            "figure": key,
            "value": each[key],
            "unit": suites.FIGURES[name].unit,
            "started_at": each["started_at"],
            "verdict": each["verdict"],
            "requests_per_s": each.get("requests_per_s"),
            "gates": len(gates),
            "gates_held": sum(gate["ok"] for gate in gates),
        }
    return collected


def write_prometheus(measured: Mapping[str, history.Measured], file: Path) -> None:
    """Write the same as gauges."""
    registry = CollectorRegistry()
    labels = ("suite", "figure", "unit")
    value = Gauge("piswarm_performance", "The newest figure of a performance suite", labels, registry=registry)
    passed = Gauge("piswarm_performance_passed", "1 if every gate of the suite held", ("suite",), registry=registry)
    moment = Gauge("piswarm_performance_timestamp_seconds", "When it was measured", ("suite",), registry=registry)
    for name, each in measured.items():
        figure = suites.FIGURES[name]
        if each[figure.key] is not None:
            value.labels(name, figure.key, figure.unit).set(each[figure.key])
        passed.labels(name).set(each["verdict"] == "PASS")
        moment.labels(name).set(datetime.fromisoformat(each["started_at"]).timestamp())
    write_to_textfile(str(file), registry)


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 2 where there is nothing to collect, or a suite could not be run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=suites.FOLDER / "results", help="folder of the results")
    parser.add_argument("--run", action="store_true", help="measure every suite first")
    options = parser.parse_args(arguments)
    try:
        for name in suites.FIGURES if options.run else ():
            print(f"measuring {name}", file=sys.stderr)
            suites.measure(name, options.results)
        measured = history.newest(options.results)
    except (suites.SuiteError, history.HistoryError) as error:
        print(error, file=sys.stderr)
        return 2
    if not measured:
        print(f"{options.results}: no results; measure first, with --run or a suite's own script", file=sys.stderr)
        return 2
    collected = collect(measured)
    (options.results / "metrics.json").write_text(json.dumps(collected, indent=2) + "\n", "utf-8")
    write_prometheus(measured, options.results / "metrics.prom")
    for name, each in collected.items():
        print(f"{name:24} {each['figure']:16} {each['value']} {each['unit']}  {each['verdict']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
