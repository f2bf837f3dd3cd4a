"""The preparation of the test fails."""

from __future__ import annotations

from typing import Any

from locust import FastHttpUser, constant, events, task
from notes import note_side


@events.init.add_listener
def init(runner: Any, **_: Any) -> None:
    note_side(runner)
    raise LookupError("no accounts for the test")


class Visitor(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def page(self) -> None:
        self.client.get("/page")
