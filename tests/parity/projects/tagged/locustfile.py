"""Tasks chosen by tag, and one of the classes by name."""

from __future__ import annotations

from typing import Any

from locust import FastHttpUser, TaskSet, constant, events, tag, task
from notes import Noted, note_side


@events.init.add_listener
def init(runner: Any, **_: Any) -> None:
    note_side(runner)


class Chosen(Noted, FastHttpUser):
    wait_time = constant(0.1)

    @tag("good")
    @task
    def good(self) -> None:
        self.client.get("/good")

    @tag("good", "slow")
    @task
    def slow(self) -> None:
        self.client.get("/good/slow")

    @tag("bad")
    @task
    def bad(self) -> None:
        self.client.get("/bad")

    @task
    def untagged(self) -> None:
        self.client.get("/untagged")

    @task
    class Nested(TaskSet):
        @tag("good")
        @task
        def inner(self) -> None:
            self.client.get("/nested/good")
            self.interrupt()

        @tag("bad")
        @task
        def other(self) -> None:
            self.client.get("/nested/bad")


class Other(Noted, FastHttpUser):
    @tag("good")
    @task
    def page(self) -> None:
        self.client.get("/other")
