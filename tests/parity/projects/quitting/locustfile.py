"""The master ends the run when enough was counted."""

from __future__ import annotations

from typing import Any

import gevent
from locust import FastHttpUser, constant, events, task
from locust.runners import WorkerRunner
from notes import note, note_side

ENOUGH = 300


@events.init.add_listener
def init(environment: Any, runner: Any, **_: Any) -> None:
    note_side(runner)
    if not isinstance(runner, WorkerRunner):
        gevent.spawn(watch, environment)


def watch(environment: Any) -> None:
    while environment.stats.total.num_requests < ENOUGH:
        gevent.sleep(0.5)
    note("quits", state=environment.runner.state)
    environment.runner.quit()


for name in ("test_start", "test_stopping", "test_stop", "quitting", "quit"):
    getattr(events, name).add_listener(lambda name=name, **_: note(name))


@events.quit.add_listener
def ended(exit_code: int, **_: Any) -> None:
    note("exit_code", code=exit_code)


class Visitor(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def page(self) -> None:
        self.client.get("/page")
