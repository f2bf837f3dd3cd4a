"""The cases of the open model: targets that stall or are slow, starved workers, a node that dies; and what the run must show."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil
from truth_processes import HERE, Run, Target, duty_cycle

HOLD_S = 24
"""Of most cases."""
RAMP_S = 4
BEGINS_S = 5.0
"""A disturbance begins so long after the hold."""

Disturb = Callable[[Run, Target], None]
"""Called when the hold has begun, with the run and the target; for as long as it does something."""


@dataclass(frozen=True)
class OpenCase:
    """A case of the open model. Of each, what was offered is the schedule's integral, and started and not started make it up.

    What the run `must` be beside that: TRUE (valid, each arrival was started and counted by the target; latencies are right, and requests were
    not sent later after they were due than is told: so neither is what they took from then on); MISSED (FAIL by the rule on `missed`, and started is what the target counted); UNFIT (INVALID, and started is what the target
    counted); SEEN (its rule on latency broke, or is unknown: not PASS); REDEALT (what a dead node had been dealt is lost, and at the end the target has the whole rate again).
    """

    name: str
    title: str
    must: str
    rate_per_s: int
    max_users: int
    user: str = "SlowerVisitor"
    pause: str = ""
    """What the target is told before the run begins."""
    disturb: Disturb = lambda *_: None
    nodes: int = 1
    hold_s: int = HOLD_S
    options: tuple[str, ...] = ()
    stage: dict[str, Any] = field(default_factory=dict)
    """Of its stage, what others have not."""
    rule: str = ""
    """A threshold beside that on errors."""

    def scenario(self, url: str) -> dict[str, Any]:
        """The content of the case's scenario file; limits are the defaults."""
        stage = {
            "rate": f"{self.rate_per_s}/s",
            "ramp": f"{RAMP_S}s",
            "hold": f"{self.hold_s}s",
            "max_users": self.max_users,
        }
        return {
            "name": f"truth-{self.name}",
            "target": url,
            "locustfile": str(HERE / "truth_users.py"),
            "users": {self.user: 1},
            "load": [stage | self.stage],
            "nodes": {"expect": self.nodes, "min": 1},
            "thresholds": ["errors < 1 %", *([self.rule] if self.rule else [])],
            # What else runs on the machine must not be what calls a run INVALID: a neighbour is to be noticed by what it does.
            "validity": {"controller_cpu": "100 %"},
        }


def _pause(seconds: float) -> Disturb:
    def disturb(_run: Run, target: Target) -> None:
        time.sleep(BEGINS_S)
        target.pause(f"{seconds:g}")

    return disturb


def _duty(on_s: float, off_s: float, for_s: float) -> Disturb:
    def disturb(run: Run, _target: Target) -> None:
        time.sleep(BEGINS_S)
        with duty_cycle(run.racks(), on_s, off_s):
            time.sleep(for_s)

    return disturb


def _kill_a_node(run: Run, _target: Target) -> None:
    time.sleep(BEGINS_S)
    workers = run.worker_of("sim002")
    for process in [*(worker.parent() for worker in workers), *workers]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


OPEN_CASES = [
    OpenCase("open-healthy", "nothing is wrong", "TRUE", 400, 60, "FixedVisitor"),
    OpenCase("open-fleet", "nothing is wrong on 4 nodes", "TRUE", 400, 60, "FixedVisitor", nodes=4),
    OpenCase("open-stall", "the target stalls for 1 s in every 10 s", "TRUE", 200, 300, pause="1 10", nodes=4),
    OpenCase(
        "open-short", "the target stalls for 100 ms in every second", "TRUE", 400, 100, "FixedVisitor", pause="0.1 1"
    ),
    OpenCase(
        "open-once",
        "the target stalls once for 3 s, arrivals come by chance",
        "TRUE",
        150,
        600,
        disturb=_pause(3),
        nodes=4,
        stage={"arrivals": "poisson"},
    ),
    # Handling all answers at the stall's end keeps the one worker's loop from other work: the second that tells of the stall is unfit.
    OpenCase(
        "open-burst",
        "800 answers come at once, at the end of a stall of 2 s",
        "SEEN",
        400,
        1200,
        disturb=_pause(2),
        hold_s=60,
        rule="p99 < 500 ms",
    ),
    OpenCase("open-slow", "the target takes twice as long as max_users bear", "MISSED", 200, 20),
    OpenCase(
        "open-duty", "the workers are stopped 70 ms of every 100", "UNFIT", 200, 100, disturb=_duty(0.03, 0.07, 15)
    ),
    OpenCase(
        "open-stop", "the workers are stopped for 2 s now and then", "UNFIT", 200, 100, disturb=_duty(3, 2, 11), nodes=4
    ),
    OpenCase(
        "open-node",
        "one node of 4 dies",
        "REDEALT",
        200,
        100,
        disturb=_kill_a_node,
        nodes=4,
        options=("--separate",),
    ),
]
