"""The load generators that are compared, each against a stalling target of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from children import BenchError, Children, blame
from found import CURVE, Found, found_of_requests, unevenness
from machine import Cores
from stalling_cases import PERCENTS, SINGLE_AFTER_S, Case
from stalling_target import StallingTarget
from theory import Request, closed_model, corrected_connections, open_model

from master.store import CHECKPOINT_KEY, StoreReader
from worker.load.histogram import Histogram

HERE = Path(__file__).parent
WARM_UP_S = 5
"""Load before the window begins."""
TRIES = 6
"""How often a tool is begun that did not keep its own schedule, or was not fit to measure."""
BEGINNINGS = 100
"""How often wrk2 is begun until it begins one connection after the other."""
GRACE_S = 60.0
MAX_UNEVEN = 0.1
"""wrk2 kept its schedule where the tenths of a second are off from the rate by no more than this, outside of stalls."""

AFTER_S = 3
"""Load after the window."""
EXIT_PASS, EXIT_FAIL, EXIT_INVALID = 0, 1, 3
VISITORS = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant({think_s})

    @task
    def ask(self):
        self.client.get("{path}")
"""

OPEN, CLOSED_SAME, CLOSED_FEW = "piswarm, open", "closed, same users", "closed, few users"
WRK2, ALGORITHM, THEORY = "wrk2", "its algorithm", "in theory"


class Bench:
    """Runs tools on one core against targets on another; files are kept in `directory` until the next tool runs."""

    def __init__(self, cores: Cores, directory: Path, children: Children) -> None:
        self._cores = cores
        self._directory = directory
        self._children = children
        self._log = directory / "tool.log"

    def measure(self, case: Case, tool: str) -> Found:
        """Return what a tool finds on the case's target. Raises BenchError when it fails or can't be trusted."""
        ways: dict[str, Callable[[Case, StallingTarget], Found]] = {
            OPEN: self._open,
            WRK2: self._wrk2,
            ALGORITHM: self._algorithm,
            CLOSED_SAME: lambda case, target: self._closed(case, target, CLOSED_SAME, case.connections),
            CLOSED_FEW: lambda case, target: self._closed(case, target, CLOSED_FEW, case.few_users),
        }
        found = Found(tool, {})
        for _ in range(TRIES):
            target = StallingTarget(self._directory, self._cores.other, self._children)
            if not case.single:
                target.tell(case.pause)
            found = ways[tool](case, target)
            if not found.missing:
                return found
        raise BenchError(f"{TRIES} times: {found.missing}; is the machine busy?")

    def _start(self, command: list[str], *, shared: bool = False) -> subprocess.Popen[str]:
        """Start a tool; one whose processes share the core is to share it fairly among them."""
        process = self._children.start(command, self._cores.measured, log=self._log, directory=HERE.parents[2])
        with contextlib.suppress(PermissionError):  # as root: no neighbour is to disturb it, nor what it starts
            if shared:
                os.setpriority(os.PRIO_PROCESS, process.pid, -15)
            else:
                os.sched_setscheduler(process.pid, os.SCHED_FIFO, os.sched_param(1))
        return process

    def _finish(self, process: subprocess.Popen[str], within_s: float) -> str:
        try:
            output, _ = process.communicate(timeout=within_s + GRACE_S)
        except subprocess.TimeoutExpired:
            raise BenchError(blame("it does not end", self._log)) from None
        finally:
            self._children.end(process)
        return output

    def _algorithm(self, case: Case, target: StallingTarget) -> Found:
        duration_s = WARM_UP_S + case.window_s + 1
        load = (f"{case.rate_per_s}", f"{case.connections}", f"{duration_s}")
        process = self._start([sys.executable, str(HERE / "corrected_client.py"), target.url + case.path, *load])
        assert process.stdout is not None
        process.stdout.readline()
        if case.single:
            time.sleep(WARM_UP_S + SINGLE_AFTER_S)
            target.tell(case.pause)
        output = self._finish(process, duration_s)
        target.served()
        if process.returncode:
            raise BenchError(blame(f"its algorithm ended with status {process.returncode}", self._log))
        requests = [Request(*each) for each in json.loads(output.splitlines()[-1])]
        return found_of_requests(ALGORITHM, requests, WARM_UP_S, WARM_UP_S + case.window_s)

    def _wrk2(self, case: Case, target: StallingTarget) -> Found:
        # Until then it calibrates itself and counts nothing: wrk.c, CALIBRATE_DELAY_MS, and 5 ms for each connection to begin.
        begin_s = 10 + case.connections // 200
        load = ["-t1", f"-c{case.connections}", f"-R{case.rate_per_s}", f"-d{begin_s + case.window_s}s", "-T60s"]
        command = ["wrk2", *load, "-s", str(HERE / "wrk2.lua"), target.url + case.path]
        for _ in range(BEGINNINGS):
            begun_s, process = time.monotonic(), self._start(command)
            time.sleep(0.7)
            # Where its first timer is 1 ms late it sleeps for a second, and then begins with 200 connections at once.
            if len(psutil.Process(process.pid).net_connections()) > 70:
                break
            self._children.end(process)
        else:
            raise BenchError(f"wrk2 began with many connections at once, {BEGINNINGS} times")
        if case.single:
            time.sleep(max(0.0, begun_s + begin_s + SINGLE_AFTER_S - time.monotonic()))
            target.tell(case.pause)
        output = self._finish(process, begin_s + case.window_s)
        ended_s, served = time.monotonic(), target.served()
        if process.returncode:
            raise BenchError(blame(f"wrk2 ended with status {process.returncode}", self._log))
        said = json.loads(output.splitlines()[-1])
        if said["failed"]:
            raise BenchError(f"{said['failed']} requests of wrk2 failed")
        arrived_s = [each.arrived_s for each in served]
        if unevenness(arrived_s, case.rate_per_s, ended_s - case.window_s, ended_s - 1) > MAX_UNEVEN:
            return Found(WRK2, {}, missing="wrk2 did not keep its own schedule")
        values = dict(zip(CURVE, said["latency_ms"], strict=True))
        return Found(WRK2, values, said["requests"])

    def _open(self, case: Case, target: StallingTarget) -> Found:
        load = {"rate": f"{case.rate_per_s}/s", "hold": f"{_hold_s(case)}s", "max_users": case.connections}
        return self._run(case, target, OPEN, load, think_s=0)

    def _closed(self, case: Case, target: StallingTarget, tool: str, users: int) -> Found:
        # They begin one after the other, as evenly as they are to go on.
        load = {"users": users, "spawn_rate": case.rate_per_s, "hold": f"{_hold_s(case)}s"}
        return self._run(case, target, tool, load, think_s=case.think_s(users))

    def _run(self, case: Case, target: StallingTarget, tool: str, load: dict[str, Any], think_s: float) -> Found:
        """Run a scenario with one stage, and take the last seconds of its hold; nothing where the run is INVALID."""
        (self._directory / "visitors.py").write_text(VISITORS.format(think_s=think_s, path=case.path))
        scenario = {
            "name": f"bench-open-{case.name}",
            "target": target.url,
            "locustfile": "visitors.py",
            "users": {"Visitor": 1},
            "load": [load],
            "nodes": {"expect": 1},
            "thresholds": ["errors = 0 %"],
            "validity": {"controller_cpu": "100 %"},
        }
        file, out = self._directory / "scenario.yml", self._directory / f"run-{time.monotonic_ns()}"
        file.write_text(json.dumps(scenario))  # JSON is YAML
        process = self._start(
            [sys.executable, "-m", "master.cli", "run", str(file), "--local", "1", "--out", str(out)], shared=True
        )
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "stage 1 of 1, hold" in line:
                break
        if case.single:
            time.sleep(WARM_UP_S + SINGLE_AFTER_S)
            target.tell(case.pause)
        output = "".join(printed) + self._finish(process, _hold_s(case))
        target.served()
        if process.returncode not in (EXIT_PASS, EXIT_FAIL, EXIT_INVALID):
            raise BenchError(f"the run ended with status {process.returncode}: {output[-2000:]}")
        result = json.loads((out / "result.json").read_text())
        if process.returncode == EXIT_INVALID:
            return Found(tool, {}, missing=result["reason"])
        return _found_in(case, out, tool, result)


def _hold_s(case: Case) -> int:
    return WARM_UP_S + case.window_s + AFTER_S


def _found_in(case: Case, out: Path, tool: str, result: dict[str, Any]) -> Found:
    with closing(StoreReader.open(out / "run.db")) as store:
        rows = [(second, stats) for second, _, stats, fit, _ in store.requests() if fit]
        # Not the last seconds, in which requests of stopped users ended.
        checkpoint: Any = store.meta(CHECKPOINT_KEY)
    end_s = int(checkpoint["steady_spans"][-1][1] - 1)
    whole, requests = Histogram(), 0
    for second, stats in rows:
        if end_s - case.window_s <= second < end_s:
            whole.merge(stats.histogram)
            requests += stats.total
    percents = (*PERCENTS, *CURVE)
    values = dict(zip(percents, (each or 0.0 for each in whole.percentiles(percents)), strict=True))
    missed = result["load"]["missed"]["total"] if tool == OPEN else 0
    return Found(tool, values, requests, missed)


def installed(tool: str) -> bool:
    """Whether a tool is there to be measured."""
    return tool != WRK2 or shutil.which("wrk2") is not None


def in_theory(case: Case, tool: str) -> Found:
    """Return what a tool would find where nothing takes time but the target."""
    begin_s = 20.0
    target, until_s = case.target(begin_s), begin_s + case.window_s + 10
    if tool == OPEN:
        offered = open_model(target, case.rate_per_s, case.connections, until_s)
        requests, missed = offered.started, len(offered.missed_s)
    elif tool in {WRK2, ALGORITHM}:
        requests, missed = corrected_connections(target, case.rate_per_s, case.connections, until_s), 0
    else:
        users = case.connections if tool == CLOSED_SAME else case.few_users
        requests, missed = closed_model(target, users, case.think_s(users), until_s), 0
    found = found_of_requests(f"{tool}, {THEORY}", requests, begin_s, begin_s + case.window_s)
    return replace(found, missed=missed)
