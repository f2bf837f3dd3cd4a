"""Run directories of one scenario over some weeks: results that never were, as a trend reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import compared_runs
import msgspec
import numpy as np

from master.judge.result import EndpointResult, Latency, Requests, Result

BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENDPOINTS = {("POST", "/login"): 40.0, ("GET", "/items"): 10.0}
"""By endpoint the median latency in ms."""
NOISE = 0.02
"""The standard deviation of a run's figures, as a ratio."""


def latency(median_ms: float) -> Latency:
    """Percentiles of a run's latencies."""
    p50, p90, p95, p99, p999, highest = (median_ms * ratio for ratio in (1, 1.8, 2.2, 3.1, 5, 7))
    return Latency(p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, max=highest)


def result_of(
    number: int, dice: np.random.Generator, *, slower: float = 1.0, failing: float = 0.0, **changed: Any
) -> Result:
    """What the run of this number came to; `POST /login` takes `slower` times as long, and the share `failing` of it fails."""
    rows = []
    for (method, name), median_ms in ENDPOINTS.items():
        login = name == "/login"
        failed = int(dice.binomial(10_000, failing if login else 0.0002))
        noise, rate = (float(np.exp(NOISE * value)) for value in dice.standard_normal(2))
        figures = latency(median_ms * noise * (slower if login else 1.0))
        row = EndpointResult(
            method=method, name=name, total=10_000, failed=failed, rate_per_s=150.0 * rate, latency_ms=figures
        )
        rows.append(row)
    failed = sum(row.failed for row in rows)
    everything = Requests(total=20_000, failed=failed, rate_per_s=sum(row.rate_per_s or 0 for row in rows))
    known: dict[str, Any] = {
        "run_id": f"run-{number:02}",
        "started_at": (BEGAN + timedelta(days=number)).isoformat(),
        "scenario": "compared",
        "endpoints": rows,
        "requests": everything,
        "latency_ms": latency(18 * float(np.exp(NOISE * dice.standard_normal()))),
    }
    return msgspec.structs.replace(compared_runs.result(), **(known | changed))


def put_run(directory: Path, result: Result, **plan: Any) -> Path:
    """The run as a directory of this name; `plan` changes its scenario."""
    directory.mkdir(parents=True)
    result.write(directory / "result.json")
    (directory / "scenario.yml").write_text(compared_runs.scenario(**plan).to_yaml())
    return directory


def put_runs(folder: Path, number: int, *, seed: int = 1, slower_from: int | None = None) -> Iterator[Path]:
    """So many runs in a folder; from one of them on `POST /login` takes 15 % longer, and 3 % of it fails."""
    dice = np.random.default_rng(seed)
    for index in range(number):
        behind = slower_from is not None and index >= slower_from
        made = result_of(index, dice, slower=1.15 if behind else 1.0, failing=0.03 if behind else 0.0002)
        yield put_run(folder / f"run-{index:02}", made)
