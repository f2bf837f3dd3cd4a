"""Run directories of runs that never were, to compare: requests by the second, of which the latencies are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import report_example

from master.judge.result import Nodes, Result
from master.scenario import ExpectedNodes, Scenario, Stage
from master.store import CONTROLLER, SecondRow, Store
from worker.load.histogram import EndpointStats, Histogram
from worker.wire.work import UserShare

RAMP_S = 5
ENDPOINTS = {("POST", "/login"): 40.0, ("GET", "/items"): 10.0}
"""By endpoint the median latency in ms."""


def scenario(seconds: int = 60, **changed: Any) -> Scenario:
    """What they ran."""
    known: dict[str, Any] = {
        "name": "compared",
        "target": "http://127.0.0.1:9",
        "users": {"ApiUser": UserShare(weight=1)},
        "load": (Stage(users=10, spawn_rate=2, hold_s=float(seconds)),),
        "nodes": ExpectedNodes(3, 3),
    }
    return Scenario(**(known | changed))


def result(**changed: Any) -> Result:
    """What they came to."""
    nodes = Nodes(expected=3, peak=3, lost=0, quarantined=0, ready_s=1.0, simulated=True)
    good = report_example.result("PASS")
    endpoints = [msgspec.structs.replace(good.endpoints[0], method=method, name=name) for method, name in ENDPOINTS]
    known = {"reason": "All held.", "nodes": nodes, "unreported_workers": [], "endpoints": endpoints}
    return msgspec.structs.replace(good, **(known | changed))


def stored_run(
    path: Path,
    *,
    seed: int = 1,
    seconds: int = 60,
    slower: float = 1.0,
    failing: float = 0.0,
    plan: Scenario | None = None,
    load: float = 1.0,
    **changed: Any,
) -> Path:
    """A run directory; `POST /login` takes `slower` times as long, and the share `failing` of its requests fails;
    so many processes run on the controller's machine as `load` says."""
    path.mkdir(parents=True)
    dice = np.random.default_rng(seed)
    store = Store(path / "run.db", create=True)
    for second in range(RAMP_S + seconds):
        steady = second >= RAMP_S
        store.put_second(SecondRow(second, "1 hold" if steady else "1 ramp", steady, 10, 3, 0, 0))
        reading = msgspec.structs.replace(report_example.reading(), load_1min=load)
        store.put_samples([(CONTROLLER, second, reading)])
        for endpoint, median_ms in ENDPOINTS.items():
            login = endpoint == ("POST", "/login")
            middle = np.log(median_ms * (slower if login else 1.0))
            number = int(dice.poisson(40))
            failed = int(dice.binomial(number, failing if login else 0.0))
            store.add_requests(second, endpoint, _tally(dice.lognormal(middle, 0.3, number - failed), failed), fit=True)
    store.close()
    result(run_id=path.name, **changed).write(path / "result.json")
    (path / "scenario.yml").write_text((plan or scenario(seconds)).to_yaml())
    return path


def _tally(latencies_ms: np.ndarray, failed: int) -> EndpointStats:
    histogram = Histogram()
    for latency_ms in latencies_ms:
        histogram.add(float(latency_ms))
    failures = Histogram({100: failed}, 0.01) if failed else None
    return EndpointStats(len(latencies_ms) + failed, failed, 0, histogram, failures=failures)
