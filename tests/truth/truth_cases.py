"""The cases: fit and unfit generators, what disturbs them, and what the run must show."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from truth_processes import HERE, Run, Target, busy, duty_cycle, stop_until

HOLD_S = 20
"""Of most cases."""
BEGINS_S = 3.0
"""A disturbance of a part of the hold begins so long after the hold."""

STOP_TIMEOUT_S = 2
"""How long users of a target that hangs may take to finish, when a rule has ended the run."""

Disturb = Callable[[Run, Target, int], None]
"""Called when the hold has begun, with the run, the target and the generator's core; for as long as it does something."""


@dataclass(frozen=True)
class Case:
    """A case, in which a run that calls itself valid must have figures that are true.

    What the run `must` be beside that: VALID; INVALID; APART (something is excluded, and what is left is true even
    where the run is INVALID for it); NAMED (as APART, and `node` is among the offenders); HANGS (the run is FAIL, or
    INVALID where the machine was not fit, and ended by a rule; unanswered requests are counted); or EITHER.
    """

    name: str
    title: str
    must: str
    disturb: Disturb = lambda *_: None
    users: dict[str, Any] = field(default_factory=lambda: {"Visitor": 1})
    load_users: int = 40
    nodes: int = 6
    hold_s: int = HOLD_S
    validity: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    period_s: float | None = None
    node: str | None = None
    stalled_s: float = 0.0
    """How long its target is told to stall, or is stopped."""
    abort: str = ""
    """A threshold that is to end the run."""
    known: str = ""
    """Why it is known to lie; such a case is shown, and fails nothing."""

    def scenario(self, url: str) -> dict[str, Any]:
        """The content of the case's scenario file; limits are the defaults, apart from those of the case."""
        return {
            "name": f"truth-{self.name}",
            "target": url,
            "locustfile": str(HERE / "truth_users.py"),
            "users": self.users,
            "load": [{"users": self.load_users, "spawn_rate": 40, "hold": f"{self.hold_s}s"}],
            "nodes": {"expect": self.nodes},
            "thresholds": ["errors < 1 %", *([f"{self.abort}, abort"] if self.abort else [])],
            **({"stop_timeout": f"{STOP_TIMEOUT_S}s"} if self.abort else {}),
            # What else runs on the machine must not be what calls a run INVALID: a neighbour is to be noticed by what it does.
            "validity": {"controller_cpu": "100 %", **self.validity},
        }


def _busy(processes: int) -> Disturb:
    def disturb(run: Run, _target: Target, core: int) -> None:
        with busy(core, processes):
            time.sleep(run.hold_s)

    return disturb


def _duty(on_s: float, off_s: float, for_s: float | None = None, after_s: float = 0.0) -> Disturb:
    """Stop the workers in turns, by default for the whole hold."""

    def disturb(run: Run, _target: Target, _core: int) -> None:
        time.sleep(after_s)
        with duty_cycle(run.racks(), on_s, off_s):
            time.sleep(run.hold_s if for_s is None else for_s)

    return disturb


def _one_node(run: Run, _target: Target, _core: int) -> None:
    time.sleep(BEGINS_S)
    with duty_cycle(run.worker_of("sim002"), 0.03, 0.07):
        time.sleep(run.hold_s)


def _controller(run: Run, _target: Target, _core: int) -> None:
    with duty_cycle([run.controller], 0.1, 0.9):
        time.sleep(run.hold_s - BEGINS_S)


def _stall_target(run: Run, target: Target, _core: int) -> None:
    time.sleep(run.hold_s / 2)
    target.stall(_STALL_S)


def _hang(what: str) -> Disturb:
    def disturb(run: Run, target: Target, _core: int) -> None:
        time.sleep(BEGINS_S)
        target.hang(what)
        run.watch_what_hangs(time.monotonic())

    return disturb


def _stop_target(run: Run, target: Target, _core: int) -> None:
    time.sleep(BEGINS_S)
    target.stop()
    run.watch_what_hangs(time.monotonic())


def _stop_target_for(seconds: float) -> Disturb:
    def disturb(run: Run, target: Target, _core: int) -> None:
        time.sleep(BEGINS_S)
        target.stop()
        begun_s = time.monotonic()
        time.sleep(seconds)
        target.go_on()
        run.watch_what_hangs(begun_s)

    return disturb


def _to_the_boundary(for_s: float, every_s: int | None = None) -> Disturb:
    """Stop the workers, once or every so many seconds, until just before a second of the monotonic clock ends."""

    def disturb(run: Run, _target: Target, _core: int) -> None:
        racks, begun_s = run.racks(), int(time.monotonic())
        for second in range(begun_s + 3, begun_s + int(run.hold_s) - 1, every_s or int(run.hold_s)):
            time.sleep(max(0.0, second - for_s - time.monotonic()))
            stop_until(racks, second - _BEFORE_S)

    return disturb


_STALL_S = 2.0
_STOP_S = 5.0
_BEFORE_S = 0.004
"""Time for a process to find out that it goes on, before the second ends."""
_A_THIRD = {"excluded_share": "30 %"}
_PACED = {"Paced": 1}
_SLOW = "p95 < 500 ms over 5s"

CASES = [
    Case("healthy", "nothing is wrong", "VALID"),
    Case("separate", "nothing is wrong, each node has processes of its own", "VALID", nodes=4, options=("--separate",)),
    Case("busy-1", "1 busy process on the generator's core", "EITHER", _busy(1)),
    Case("busy-4", "4 busy processes on the generator's core", "EITHER", _busy(4)),
    Case("duty", "stopped 70 ms of every 100", "INVALID", _duty(0.03, 0.07)),
    Case("duty-short", "stopped 40 ms of every 200", "EITHER", _duty(0.16, 0.04)),
    Case(
        "duty-part", "stopped 70 ms of every 100, for 3 s", "APART", _duty(0.03, 0.07, 3, BEGINS_S), validity=_A_THIRD
    ),
    Case("blocked", "user code blocks 150 ms every 3 s", "EITHER", users={"Visitor": 1, "LongBlocker": "= 1"}),
    Case("stutter", "user code blocks 20–45 ms again and again", "EITHER", users={"Visitor": 1, "ShortBlocker": "= 6"}),
    Case(
        "one-node",
        "one node of 4 stopped 70 ms of every 100",
        "NAMED",
        _one_node,
        nodes=4,
        options=("--separate",),
        validity=_A_THIRD,
        node="sim002",
    ),
    Case(
        "boundary",
        "stopped 150 ms up to the end of every other second",
        "EITHER",
        _to_the_boundary(0.15, 2),
        validity={"excluded_share": "70 %", "loop_lag_p99": "140 ms"},
    ),
    Case("controller", "the controller stopped 900 ms of every second", "EITHER", _controller),
    Case(
        "target-stall",
        "the target stalls for 2 s, users are on a schedule",
        "VALID",
        _stall_target,
        users=_PACED,
        period_s=0.1,
        stalled_s=_STALL_S,
        known="users behind their schedule catch up at the generator's pace, about 1 ms a task behind the truth",
    ),
    Case(
        "behind",
        "stopped 170 ms up to the end of a second, users are on a tight schedule",
        "EITHER",
        _to_the_boundary(0.17),
        users={"Tight": 1},
        load_users=20,
        period_s=0.03,
        validity=_A_THIRD,
    ),
    Case(
        "locust",
        "few users of Locust's own client",
        "VALID",
        users={"LocustVisitor": 1},
        load_users=8,
        known="Locust's client takes a good half of a millisecond itself, which is no lag",
    ),
    Case(
        "stutter-locust",
        "as stutter, with Locust's own client",
        "INVALID",
        users={"LocustVisitor": 1, "ShortBlocker": "= 6"},
    ),
    Case(
        "twitch-locust",
        "user code blocks 10–20 ms now and then, with Locust's own client",
        "INVALID",
        users={"LocustVisitor": 1, "ShorterBlocker": "= 6"},
    ),
    Case(
        "stutter-connect",
        "as stutter, with a connection for each request",
        "EITHER",
        users={"Stranger": 1, "ShortBlocker": "= 6"},
    ),
    Case("target-stop", "the target is stopped for good", "HANGS", _stop_target, abort=_SLOW),
    Case(
        "target-stop-5",
        "the target is stopped for 5 s",
        "HANGS",
        _stop_target_for(_STOP_S),
        stalled_s=_STOP_S,
        abort=_SLOW,
    ),
    Case(
        "endpoint-hangs",
        "one endpoint hangs, which half of the users ask",
        "HANGS",
        _hang("/fixed"),
        users={"FixedVisitor": 1, "MixedVisitor": 1},
        abort=f"GET /fixed {_SLOW}",
    ),
    # Those who wait are 20 of some 1500 requests in 5 s: a p95 of all does not rise, since who waits does not ask.
    Case("half-hangs", "half of the connections hang", "HANGS", _hang("half"), abort="max < 2 s over 5s"),
]
