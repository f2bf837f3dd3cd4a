"""A shape with a state of its own and classes by step; each class has its own host."""

from __future__ import annotations

import os
from typing import Any

from locust import FastHttpUser, LoadTestShape, constant, events, task
from locust.runners import WorkerRunner
from notes import Noted, note, note_side

PORTS = os.environ["PARITY_PORTS"].split(",")


@events.init.add_listener
def init(environment: Any, runner: Any, **_: Any) -> None:
    note_side(runner)
    if not isinstance(runner, WorkerRunner):
        note("shape_class", name=type(environment.shape_class).__name__, is_shape=environment.shape_class is not None)


@events.test_start.add_listener
def start(environment: Any, **_: Any) -> None:
    note("hosts", classes=sorted(cls.host == f"http://127.0.0.1:{PORTS[1]}" for cls in environment.user_classes))


class First(Noted, FastHttpUser):
    host = f"http://127.0.0.1:{PORTS[0]}"
    wait_time = constant(0.2)

    @task
    def page(self) -> None:
        self.client.get("/first")


class Second(Noted, FastHttpUser):
    host = f"http://127.0.0.1:{PORTS[1]}"
    wait_time = constant(0.2)

    @task
    def page(self) -> None:
        self.client.get("/second")


class Steps(LoadTestShape):
    """First one class, then both, for as many ticks as it counts itself."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks = 0
        self.step = -1

    def tick(self) -> Any:
        self.ticks += 1
        steps = ((2, 10, [First]), (6, 10, [First, Second]), None)
        step = 0 if self.get_run_time() < 3 else 1 if self.ticks < 12 or self.get_run_time() < 11 else 2
        if step != self.step:
            note("step", step=step, users=self.get_current_user_count())
            self.step = step
        return steps[step]
